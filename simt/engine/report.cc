#include "simt/engine/report.h"

#include <cstring>
#include <iomanip>
#include <sstream>

namespace glmv::simt {
namespace {

std::string name_of(Index3 i) { return concat('(', i.x, ',', i.y, ',', i.z, ')'); }

std::string where(const LaunchConfig& config, const Thread& t) {
  return concat(name_of(t), " of ", name_of_block(t.block_index), ", ", name_of(config));
}

// "__shfl_down_sync", with its mask if it has one.
std::string name_of(const Waiting& w) {
  if (w.mask == 0) return w.name;
  std::ostringstream out;
  out << w.name << " of lanes 0x" << std::hex << std::setfill('0') << std::setw(w.mask >> 32 ? 16 : 8) << w.mask;
  return out.str();
}

struct Group {
  Waiting at;
  const Thread* example;
  size_t count;
};

std::vector<Group> groups_of(const std::vector<Thread>& threads) {
  std::vector<Group> groups;
  for (const Thread& t : threads) {
    if (t.state != Thread::State::waiting) continue;
    size_t i = 0;
    while (i < groups.size() && !(same_place(groups[i].at, t.waiting) && groups[i].at.mask == t.waiting.mask)) ++i;
    if (i == groups.size()) groups.push_back({t.waiting, &t, 0});
    ++groups[i].count;
  }
  return groups;
}

}  // namespace

std::string name_of(Place place) {
  std::string_view path = place.file;
  const std::string_view root = GLMV_SOURCE_DIR "/";
  if (path.substr(0, root.size()) == root) path.remove_prefix(root.size());
  while (path.substr(0, 3) == "../") path.remove_prefix(3);  // where ccache names files from the build folder
  return concat(path, ':', place.line);
}

std::string name_of(const Thread& t) { return concat("thread ", name_of(t.thread_index)); }

std::string name_of_block(Index3 block) { return concat("block ", name_of(block)); }

std::string name_of(const LaunchConfig& config) {
  std::string_view kernel = config.kernel;
  kernel = kernel.substr(0, kernel.find('<'));  // the launch macro cuts a template's arguments at a comma
  return concat("kernel ", kernel, " launched at ", name_of(config.place));
}

bool same_place(const Waiting& a, const Waiting& b) {
  // Equal text may lie at two addresses (another object file), but mostly it does not.
  const auto same = [](const char* x, const char* y) { return x == y || strcmp(x, y) == 0; };
  return a.place.line == b.place.line && same(a.name, b.name) && same(a.place.file, b.place.file);
}

std::string describe_failure(const LaunchConfig& config, const Thread& t, Place place, const std::string& what) {
  return concat(name_of(place), ": ", what, "\n  in ", where(config, t));
}

std::string describe_divergence(const LaunchConfig& config, const Thread& a, const Waiting& at_a, const Thread& b,
                                const Waiting& at_b) {
  return concat("divergent ", name_of(at_a), " in ", name_of_block(a.block_index), ", ", name_of(config), "\n  ",
                name_of(a), " at ", name_of(at_a.place), " in ", at_a.name, "\n  ", name_of(b), " at ",
                name_of(at_b.place), " in ", at_b.name);
}

std::string describe_exited_lane(const LaunchConfig& config, const Thread& exited, const Waiting& at) {
  return concat(name_of(at.place), ": ", name_of(at), " names an exited lane: ", exited.lane, "\n  it was ",
                where(config, exited));
}

std::string describe_deadlock(const LaunchConfig& config, const std::vector<Thread>& threads) {
  std::string text = concat("deadlock in ", name_of_block(threads[0].block_index), ", ", name_of(config));
  size_t exited = 0;
  const Thread* example = nullptr;
  for (const Thread& t : threads) {
    if (t.state != Thread::State::exited) continue;
    if (exited++ == 0) example = &t;
  }
  for (const Group& g : groups_of(threads)) {
    text += concat("\n  ", g.count, " threads wait at ", name_of(g.at.place), " in ", name_of(g.at), ", for example ",
                   name_of(*g.example));
  }
  if (exited > 0) text += concat("\n  ", exited, " threads have exited, for example ", name_of(*example));
  return text;
}

}  // namespace glmv::simt
