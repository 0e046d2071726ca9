#include "registry.h"

#include <string.h>

#include <map>
#include <string>
#include <vector>

#include "isa.h"
#include "operators.h"

namespace loopnest {
namespace {

const Operator operators[] = {
#define OPERATOR(name, Args) \
  {#name, sizeof(Args),      \
   [](const void* args, Dtype dtype) -> Work { return name##_work(*static_cast<const Args*>(args), dtype); }},
#include "operators.inc"
#undef OPERATOR
};

struct Registry {
  std::vector<std::vector<const Rung*>> rungs;  // behind each ladder, null-terminated
  std::vector<Ladder> ladders;
  std::vector<const Ladder*> all;
};

Registry make_registry(Error& error) {
  Registry r;
  std::vector<const IsaTable*> best_first;
  for (auto table = usable_isas(error); *table; table++) best_first.insert(best_first.begin(), *table);
  for (const Operator& op : operators)
    for (Dtype dtype : {F32, F64}) {
      std::vector<const Rung*> row;
      for (const IsaTable* table : best_first)
        for (size_t i = table->count; i-- > 0;)
          if (table->rungs[i].dtype == dtype && strcmp(table->rungs[i].op, op.name) == 0)
            row.push_back(&table->rungs[i]);
      if (row.empty()) continue;
      row.push_back(nullptr);
      r.rungs.push_back(std::move(row));
      r.ladders.push_back({&op, dtype, nullptr});
    }
  for (size_t i = 0; i < r.ladders.size(); i++) {
    r.ladders[i].rungs = r.rungs[i].data();
    r.all.push_back(&r.ladders[i]);
  }
  r.all.push_back(nullptr);
  return r;
}

const Registry& registry(Error& error) {
  static Error made;
  static const Registry& only = *new Registry(make_registry(made));  // never destroyed: others keep pointers into it
  if (made.kind != Error::None) error = made;
  return only;
}

const char* dtype_name(Dtype d) { return d == F64 ? "float64" : "float32"; }

// "naive, hoist, tile": each name once, for an error message.
template <class Name>
std::string names(const Ladder& ladder, Name name) {
  std::string out;
  std::vector<std::string> seen;
  for (auto r = ladder.rungs; *r; r++) {
    std::string n = name(**r);
    bool known = false;
    for (auto& s : seen) known = known || s == n;
    if (known) continue;
    seen.push_back(n);
    out += (out.empty() ? "" : ", ") + n;
  }
  return out;
}

}  // namespace

const Ladder* const* all_ladders(Error& error) { return registry(error).all.data(); }

const Ladder* find_ladder(const char* op, Dtype dtype, Error& error) {
  const Registry& r = registry(error);
  if (error.kind != Error::None) return nullptr;
  bool known = false;
  for (const Ladder& l : r.ladders) {
    if (strcmp(l.op->name, op) != 0) continue;
    if (l.dtype == dtype) return &l;
    known = true;
  }
  if (known) fail(error, Error::Type, "%s: there is no rung for %s", op, dtype_name(dtype));
  else fail(error, Error::Value, "%s: there is no such operator", op);
  return nullptr;
}

const Rung* pick(const Ladder& ladder, const void* args, const char* rung, const char* isa, Error& error, Visit visit,
                 void* data) {
  bool rung_exists = false, isa_exists = false;
  const char* refusal = nullptr;
  for (auto r = ladder.rungs; *r; r++) {
    if (rung && strcmp((*r)->name, rung) != 0) continue;
    rung_exists = true;
    if (isa && strcmp((*r)->isa, isa) != 0) continue;
    isa_exists = true;
    const char* reason = (*r)->supports(args);
    if (!reason && !rung) reason = (*r)->declines(args);
    if (visit) visit(data, *r, reason);
    if (!reason) return *r;
    if (!refusal) refusal = reason;
  }
  const char* op = ladder.op->name;
  const char* dtype = dtype_name(ladder.dtype);
  if (!rung_exists)
    fail(error, Error::Value, "%s: there is no rung \"%s\" for %s; there are numpy, %s", op, rung, dtype,
         names(ladder, [](const Rung& r) { return r.name; }).c_str());
  else if (!isa_exists)
    fail(error, Error::Value, "%s: no %s%s%son isa \"%s\" here; this process may use %s", op,
         rung ? "rung \"" : "rung ", rung ? rung : "", rung ? "\" " : "", isa,
         names(ladder, [](const Rung& r) { return r.isa; }).c_str());
  else fail(error, Error::Value, "%s: rung \"%s\" cannot do this: %s", op, rung ? rung : "any", refusal);
  return nullptr;
}

}  // namespace loopnest
