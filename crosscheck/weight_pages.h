// The pages of a checkpoint's mapping: given back once a layer has run, so that a model larger than memory streams
// through it one layer at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reference/model/model.h"

namespace glmv {

/// A stretch of a model that needs its weights at one time.
struct Segment {
  enum class Kind {
    patches,    ///< patch embedding, position table
    block,      ///< of the vision tower
    merger,     ///< final norm of the tower, downsample, merger
    embedding,  ///< token rows, splice, the table of rotary angles
    layer,      ///< of the decoder
    head        ///< final norm, logits
  };
  Kind kind;
  int64_t index = 0;  ///< of a block or layer
};

/// All of them in the order of the forward pass; those of the tower only where there are patches.
std::vector<Segment> segments_of(const ModelConfig& config, bool visual);

/// "vision block 3", "decoder layer 12", "patch embedding", ... for people.
std::string words_for(const Segment& segment);

class WeightPages {
 public:
  explicit WeightPages(const Model& model);

  /// Tells the system that a segment's weights are not needed for now. Only what the checkpoint's files hold is given
  /// back: the next touch reads it again.
  void release(const Segment& segment) const;

  /// The same for the block or layer whose output, the last of its points, this is; nothing at any other point.
  void release_behind(const std::string& point) const;

  /// Bytes of a segment's weights, as they are stored.
  int64_t bytes(const Segment& segment) const;

 private:
  using Range = std::pair<const char*, const char*>;
  bool is_mapped(const Range& range) const;

  const Model& model_;
  std::vector<Range> mapped_;  ///< tensors of the files, by address
};

/// The largest resident memory that this process has had so far, in bytes.
int64_t peak_resident_bytes();

}  // namespace glmv
