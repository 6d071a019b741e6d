#include "simt/engine/copy_queue.h"

#include "simt/engine/block.h"
#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

bool aligned(const void* p, unsigned bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

// Empty: the copy is all right.
std::string refusal(const PendingCopy& c) {
  if (c.bytes != 4 && c.bytes != 8 && c.bytes != 16) return "the size must be 4, 8 or 16";
  if (c.valid_bytes > c.bytes) return concat("cannot read ", c.valid_bytes, " bytes");
  if (!aligned(c.to, c.bytes)) return concat("the destination ", c.to, " is not aligned to the size");
  if (!aligned(c.from, c.bytes)) return concat("the source ", c.from, " is not aligned to the size");
  if (!is_shared(c.to, c.bytes)) return "the destination is not shared memory";
  if (is_shared(c.from, c.bytes)) return "the source is shared memory";
  return "";
}

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
  if (const std::string why = refusal(copy); !why.empty()) {
    fail(copy.place, concat("cp.async of ", copy.bytes, " bytes: ", why));
  }
  g_block->self().copies.issue(copy);
}

void commit_copies() { g_block->self().copies.commit(); }

const PendingCopy* next_due_copy(unsigned open_groups) {
  const race::Ignore ignore;
  const PendingCopy* copy = g_block->self().copies.next_due(open_groups);
  if (copy != nullptr) g_block->note_write(copy->to, copy->bytes);
  return copy;
}

}  // namespace glmv::simt
