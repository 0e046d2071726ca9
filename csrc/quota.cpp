#include "quota.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <string>
#include <thread>

namespace loopnest {
namespace {

int affinity() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  int n = int(std::thread::hardware_concurrency());
  return n > 0 ? n : 1;
}

std::string first_line(const std::string& path) {
  char line[256] = "";
  if (FILE* f = fopen(path.c_str(), "r")) {
    if (!fgets(line, sizeof line, f)) line[0] = 0;
    fclose(f);
  }
  return line;
}

// CPUs that the quota in `folder` grants, or 0 for no limit. v2: "max 100000" or "150000 100000" in one file.
double quota_of(const std::string& folder) {
  double quota = 0, period = 0;
  if (sscanf(first_line(folder + "/cpu.max").c_str(), "%lf %lf", &quota, &period) == 2 && period > 0)
    return quota / period;
  if (sscanf(first_line(folder + "/cpu.cfs_quota_us").c_str(), "%lf", &quota) == 1 && quota > 0 &&
      sscanf(first_line(folder + "/cpu.cfs_period_us").c_str(), "%lf", &period) == 1 && period > 0)
    return quota / period;
  return 0;
}

// The tightest limit on the way from this process's group up to the root of the hierarchy at `root`.
double tightest(const std::string& root, std::string group) {
  double limit = 0;
  for (;;) {
    double quota = quota_of(root + group);
    if (quota > 0 && (limit == 0 || quota < limit)) limit = quota;
    if (group.empty()) return limit;
    size_t slash = group.rfind('/');
    group = slash == std::string::npos || slash == 0 ? "" : group.substr(0, slash);
  }
}

double cgroup_limit() {
  double limit = 0;
  FILE* f = fopen("/proc/self/cgroup", "r");
  if (!f) return 0;
  char line[4096];
  while (fgets(line, sizeof line, f)) {  // "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1)
    line[strcspn(line, "\n")] = 0;
    char* controllers = strchr(line, ':');
    char* group = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!group) continue;
    *group++ = 0;
    controllers++;
    bool v2 = *controllers == 0;
    if (!v2 && !strstr(controllers, "cpu")) continue;
    double quota = tightest(v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", group);
    if (quota > 0 && (limit == 0 || quota < limit)) limit = quota;
  }
  fclose(f);
  return limit;
}

}  // namespace

int cpu_limit() {
  int cpus = affinity();
  double quota = cgroup_limit();
  if (quota > 0) {
    int whole = int(quota) + (quota > int(quota) ? 1 : 0);
    if (whole < cpus) cpus = whole;
  }
  return cpus < 1 ? 1 : cpus;
}

}  // namespace loopnest
