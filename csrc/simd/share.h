// Static partition: which items [begin, end) of `count` are this team member's. Shares differ by at most one item
// (times `grain`), and depend on nothing but rank and size, so a result never depends on timing.
#pragma once

struct Range {
  ptrdiff_t begin, end;
};

inline Range share(ptrdiff_t count, const Team& team, ptrdiff_t grain = 1) {
  ptrdiff_t blocks = (count + grain - 1) / grain;
  ptrdiff_t begin = blocks * team.rank / team.size * grain;
  ptrdiff_t end = blocks * (team.rank + 1) / team.size * grain;
  return {begin < count ? begin : count, end < count ? end : count};
}
