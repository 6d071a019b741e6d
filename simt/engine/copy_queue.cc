#include "simt/engine/copy_queue.h"

#include "simt/engine/block.h"
#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

bool aligned(const void* p, unsigned bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace

const PendingCopy* CopyQueue::next_due(unsigned open_groups) {
  if (pending() == 0) {
    copies_.clear();
    done_ = 0;
    return nullptr;
  }
  const Entry& next = copies_[done_];
  const bool due = open_groups == kAllCopies || (next.group < groups_ && groups_ - next.group > open_groups);
  if (!due) return nullptr;
  ++done_;
  return &next.copy;
}

void issue_copy(const PendingCopy& copy) {
  const race::Ignore ignore;
  const auto check = [&](bool good, const std::string& what) {
    if (!good) fail(copy.place, concat("cp.async of ", copy.bytes, " bytes: ", what));
  };
  check(copy.bytes == 4 || copy.bytes == 8 || copy.bytes == 16, "the size must be 4, 8 or 16");
  check(copy.valid_bytes <= copy.bytes, concat("cannot read ", copy.valid_bytes, " bytes"));
  check(aligned(copy.to, copy.bytes), concat("the destination ", copy.to, " is not aligned to the size"));
  check(aligned(copy.from, copy.bytes), concat("the source ", copy.from, " is not aligned to the size"));
  check(is_shared(copy.to, copy.bytes), "the destination is not shared memory");
  check(!is_shared(copy.from, copy.bytes), "the source is shared memory");
  g_block->self().copies.issue(copy);
}

void commit_copies() { g_block->self().copies.commit(); }

const PendingCopy* next_due_copy(unsigned open_groups) {
  const race::Ignore ignore;
  return g_block->self().copies.next_due(open_groups);
}

}  // namespace glmv::simt
