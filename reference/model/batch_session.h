// Several sequences of different lengths on one backend: each runs its prompt when it joins, then all take decode steps
// together; one that ends drops out and gives its pages back.
#pragma once

#include <functional>
#include <map>

#include "reference/model/decode_state.h"
#include "reference/model/device_weights.h"
#include "reference/model/dry_run.h"
#include "reference/model/model.h"
#include "reference/model/prompt.h"
#include "reference/model/step_graphs.h"
#include "reference/model/text.h"

namespace glmv {

struct SessionOptions {
  DType activation = DType::f32;  ///< f64 = gold, f32, bf16 = with the rounding points of the Hugging Face model
  int64_t max_tokens = 0;         ///< room in the KV cache, for each sequence
  int64_t sequences = 1;          ///< at once
  int64_t page_size = 0;          ///< 0 = one page per sequence
  int64_t chunk = 0;              ///< prompt tokens per forward pass; 0 = all at once
  Reduction reduction = Reduction::blocked;
  Probe* probe = nullptr;  ///< traced steps are not captured
  bool graphs = true;      ///< decode steps as graphs, where the backend has them
};

/// Nanoseconds spent.
struct Timings {
  int64_t vision_ns = 0;
  int64_t prefill_ns = 0;  ///< language model only
  int64_t decode_ns = 0;   ///< steps, and waiting for their tokens
};

/// Experts to use instead of the router's choice: layer -> i32 [tokens, K].
using ForcedIds = std::map<int64_t, Tensor>;

/// Tokens [begin, end) of a prompt as the only sequence of a pass; takes the cache pages they need.
Batch batch_of(const Prompt& prompt, int64_t begin, int64_t end, CachedSequence& sequence, KvCache& cache);

class BatchSession {
 public:
  /// `model` must outlive it; the weights lie on the backend it runs on. Error (exit code 2): a type that the backend
  /// does not compute in; (exit code 3) too little memory for the cache.
  BatchSession(const Model& model, DeviceWeights::Shared weights, const SessionOptions& options);

  /// What its KV cache takes.
  static size_t cache_bytes(const ModelConfig& config, const SessionOptions& options);

  /// A new sequence: runs its prompt. Returns the sequence's number; its first token is there. With a probe that wants
  /// "logits" they are computed for every row, else for the last one. Error (exit code 3): as many sequences as there
  /// may be, a prompt that is empty or longer than its room; on a device also too little memory for the pass, before
  /// anything is launched.
  int64_t add(const Prompt& prompt, const ForcedIds* forced_ids = nullptr);

  /// One more token for every live sequence, each fed with its newest. Everything is left to the device: nothing waits
  /// or copies, but for pages and rows where they have changed. Error (exit code 3): a sequence without room.
  void step(const ForcedIds* forced_ids = nullptr);

  /// The next step feeds this token instead of the newest one.
  void feed(int64_t sequence, int64_t token);

  /// The newest token; waits for it. Error (exit code 3): its logits were no finite numbers.
  int64_t token(int64_t sequence);
  /// Logits of the sequence's newest row, f64 [V] on the host; there until the next pass. Error: as token().
  Tensor logits(int64_t sequence);
  /// Tokens in the cache.
  int64_t length(int64_t sequence) { return row_of(sequence).cached.length; }

  /// Drops a sequence and gives its pages back.
  void finish(int64_t sequence);
  int64_t live() const { return static_cast<int64_t>(rows_.size()); }
  int64_t room() const { return options_.sequences; }  ///< for sequences
  int64_t free_pages() const { return cache_.free_pages(); }

  const Timings& timings() const { return timings_; }
  const StepGraphs& graphs() const { return graphs_; }

 private:
  struct Row {
    int64_t sequence = 0;
    CachedSequence cached;
    int64_t logits_row = -1;  ///< in logits_; -1: those are gone
  };

  Row& row_of(int64_t sequence);
  Context context(Arena& arena);
  void reserve(const std::function<void(const Context&)>& pass);
  int64_t run_prompt(const Prompt& prompt, Row& row, const ForcedIds* forced_ids);
  TensorView prefill_pass(const Context& ctx, const Batch& batch, const TensorView& features);
  void choose_logit_rows(Batch& batch) const;
  int32_t first_token(Batch& batch, const TensorView& features);
  void write_state();
  TensorView decode_pass(const Context& ctx, int64_t pages, const ForcedIds* forced_ids);
  void read_tokens();
  int64_t pages_in_plan() const;

  const Model& model_;
  DeviceWeights::Shared weights_;
  const Backend& backend_;
  SessionOptions options_;
  Backend dry_;  // to see what a pass will take
  StepGraphs graphs_;
  Arena constants_;      // what lasts
  Arena arena_;          // activations, rewound after each pass
  Arena visual_memory_;  // features of the prompt that runs
  KvCache cache_;
  DecodeState state_;
  Step rope_;  // inv_freq and axis
  std::vector<Row> rows_;
  std::vector<int32_t> tokens_;  // newest of each row, as far as the host knows
  bool tokens_known_ = true, rows_changed_ = false, pages_changed_ = false;
  int64_t next_sequence_ = 0;
  TensorView logits_;  // [rows, V] of the latest pass
  Timings timings_;
};

}  // namespace glmv
