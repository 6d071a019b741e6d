// One case on one or more backends: checked first, then timed in rounds that alternate between them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/row.h"
#include "bench/timer.h"
#include "bench/user_kernel.h"

namespace glmv::bench {

/// Who computes a case: a backend's op, or a user's kernel on that backend's memory.
struct Contender {
  const Backend* backend = nullptr;
  std::shared_ptr<const UserKernel> kernel;  ///< null: the backend's own op
  /// "cpu", "cpu:mine"
  std::string name() const;
};

struct Protocol {
  CacheState l2 = CacheState::cold;
  int rounds = 3;
  int samples = 30;    ///< at most, of each contender
  double seconds = 2;  ///< and at most as many as fit into that time, three per round at least
  uint64_t seed = 1;
  bool watch_machine = true;  ///< false: no canaries and nobody else's processes, for a clock that is not the machine's
  bool repeat_unstable = true;         ///< after a second of rest, once
  std::string command = "glmv bench";  ///< what a row's repro begins with
};

class CaseSession {
 public:
  /// Computes what the case is judged by, runs every contender once and judges it. One that fails is INVALID and is not
  /// timed; one that lacks the op or refuses it is left out.
  CaseSession(const Case& c, const std::vector<Contender>& contenders, const Protocol& protocol);
  ~CaseSession();
  CaseSession(const CaseSession&) = delete;
  CaseSession& operator=(const CaseSession&) = delete;

  size_t contenders() const;
  bool is_timed(size_t contender) const;
  /// What it is called in results: Row::name.
  const std::string& name(size_t contender) const;
  int samples_per_round(size_t contender) const;

  void begin_round(size_t contender);
  /// Seconds of one call.
  double sample(size_t contender);
  void end_round(size_t contender);

  /// True if the contender's rounds so far look disturbed.
  bool looks_disturbed(size_t contender) const;
  void forget(size_t contender);  ///< its samples, to take them again

  /// A user's kernel once more on fresh tensors, after its samples: one that worked on the first call only was not
  /// timed doing its work. What is wrong is INVALID and loses its samples.
  void check_again(size_t contender);

  /// The row as it stands, its stability judged; roofs from the contender's ceilings.
  Row row(size_t contender, const Ceilings& ceilings) const;

 private:
  struct Side;
  Row row_of(const Contender& who) const;
  CaseCall add_run(Side& side, SharedTensors* shared);
  bool is_right(Side& side);
  void use_graph(Side& side);
  int affordable_samples(Side& side) const;
  bool prepare(Side& side);

  const Case& case_;
  Protocol protocol_;
  std::unique_ptr<CaseTruth> truth_;
  std::vector<std::unique_ptr<Side>> sides_;
};

/// Rounds of all contenders in alternating order, A B, B A, A B; the rows.
std::vector<Row> run_case_session(CaseSession& session, const std::vector<Ceilings>& ceilings,
                                  const Protocol& protocol);

/// Why a row's samples are not to be trusted, or "": the last third 3 % slower than the first, the clock's canary more
/// than 5 % off between rounds, or threads driven from their cores during half of the samples.
std::string disturbance_in(const Rounds& seconds, const std::vector<double>& canaries, int64_t preempted_samples,
                           double stolen_share);

}  // namespace glmv::bench
