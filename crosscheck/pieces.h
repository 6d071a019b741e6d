// Pieces of a point put together: shards of ranks, a residual that is to be added, a value that stands in for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crosscheck/rearrange.h"
#include "data/config.h"

namespace glmv {

/// A tensor on its way to a point.
struct Piece {
  ConstTensorView view;
  int64_t shard = 0, shards = 1;  ///< of which rank, of how many
  bool addend = false;            ///< is to be added to the point
  bool stand_in = false;          ///< an equal value from elsewhere; the point itself is preferred
  std::string source;             ///< its name in the file, without the rank
};

struct Assembly {
  const std::string& path;    ///< of the file, for messages
  const ModelConfig* config;  ///< or null
  Rearranged& tensors;
  RuleLog& log;
  std::vector<std::string>& warnings;
};

/// What ranks other than the first hold where all should hold the same.
struct HeldByRank {
  std::string who;  ///< "rank 1", or "ranks 1, 3" of which each holds a part
  ConstTensorView view;
};

/// A point as the first rank has it, and as the others do if they differ. Experts and their weights are there for all
/// ranks, for their order must be undone before they can be compared.
struct Assembled {
  ConstTensorView view;
  std::vector<HeldByRank> others;
};

/// Attention heads of the tower or the text model.
struct Heads {
  int64_t query, kv, width;
};
Heads heads_of(const ModelConfig& config, std::string_view point);

/// The point's tensor; empty, with a warning, if there is nothing but a residual. Error (exit code 3) for pieces that
/// do not fit, for ranks that are missing and for two tensors of one name.
Assembled put_together(const Assembly& assembly, const std::string& point, const std::vector<Piece>& pieces);

}  // namespace glmv
