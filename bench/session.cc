#include "bench/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "bench/google.h"

namespace glmv::bench {

std::string Contender::name() const {
  return kernel == nullptr ? std::string(backend->name) : concat(backend->name, ':', kernel->name());
}

struct CaseSession::Side {
  Contender who;
  Row row;
  CaseReport report;
  std::vector<std::unique_ptr<CaseRun>> runs;  ///< one, or the copies that a rotated cache needs
  std::unique_ptr<Timer> timer;
  int per_round = 0;

  std::vector<double> canaries;
  int64_t preempted = 0;
  double stolen_seconds = 0, wall_seconds = 0, cpu_seconds = 0;
  Disturbance before;
  std::chrono::steady_clock::time_point began;
};

namespace {

std::string op_of(const std::string& case_name) { return case_name.substr(0, case_name.find('/')); }

int64_t footprint(const CaseRun& run) {
  int64_t bytes = 0;
  for (const CaseRun::Item& item : run.items()) bytes += item.view.bytes();
  return bytes;
}

/// Fewer samples than three per round could not tell any difference from chance among a dozen of cases.
constexpr int kLeastPerRound = 3;

/// A number that changes with every byte of the tensors that a kernel must leave alone.
uint64_t fingerprint_of_inputs(const CaseRun& run) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const CaseRun::Item& item : run.items()) {
    if (item.is_output) continue;
    const Tensor host = run.fetch(item);
    const auto* byte = static_cast<const unsigned char*>(host.view.data);
    for (int64_t i = 0; i < host.view.bytes(); ++i) hash = (hash ^ byte[i]) * 0x100000001b3u;
  }
  return hash;
}

/// The type of a case's products: FP8 where a weight has it.
DType operand_type(const Case& c, const CaseRun& run) {
  for (const CaseRun::Item& item : run.items()) {
    if (item.view.dtype == DType::f8e4m3) return DType::f8e4m3;
  }
  return c.dtype;
}

/// Rows over rows rounded up to whole tiles of 64 per expert, by the routing in the case; 0 if it has none.
double pad_efficiency(const Case& c, const CaseRun& run) {
  if (c.experts_touched == 0) return 0;
  std::vector<int64_t> rows;
  for (const CaseRun::Item& item : run.items()) {
    if (item.name != "ids") continue;
    const Tensor ids = run.fetch(item);
    for (int64_t i = 0; i < ids.view.size(); ++i) {
      const auto e = static_cast<size_t>(ids.data<int32_t>()[i]);
      if (rows.size() <= e) rows.resize(e + 1, 0);
      ++rows[e];
    }
  }
  int64_t all = 0, padded = 0;
  for (const int64_t n : rows) all += n, padded += (n + 63) / 64 * 64;
  return padded > 0 ? static_cast<double>(all) / static_cast<double>(padded) : 0;
}

std::string first_line(std::string text) { return text.substr(0, text.find('\n')); }

}  // namespace

/// The row of a contender before anything is known of it.
Row CaseSession::row_of(const Contender& who) const {
  const Case& c = case_;
  Row r;
  r.case_name = c.name, r.op = op_of(c.name), r.backend = who.name(), r.l2 = name_of(protocol_.l2);
  r.name = concat(c.name, "/backend:", r.backend, "/l2:", r.l2);
  r.cost = {c.flops, c.bytes};
  r.tokens = c.tokens, r.context = c.context;
  r.experts_touched = c.experts_touched, r.most_rows = c.most_rows;
  r.repro = concat(protocol_.command, " '", c.name, "' --backend ", who.backend->name, " --l2 ", r.l2, " --seed ",
                   protocol_.seed);
  if (who.kernel != nullptr) r.repro += " --lib " + who.kernel->path();
  const bool has = who.kernel == nullptr ? c.has(who.backend->ops) : who.kernel->has(r.op);
  if (!has) r.status = Status::left_out, r.why = "it does not have the op";
  return r;
}

/// One more set of the case's tensors; the call that works on them.
CaseCall CaseSession::add_run(Side& side, SharedTensors* shared) {
  const Backend& b = *side.who.backend;
  const CaseRun::Options options{CaseRun::Mode::plain, nullptr, shared};
  side.runs.push_back(std::make_unique<CaseRun>(b, case_.dtype, case_.dtype, protocol_.seed, options));
  CaseRun& run = *side.runs.back();
  CaseCall op = case_.build(run, b.ops);
  return side.who.kernel == nullptr ? op : side.who.kernel->bind(side.row.op, run);
}

/// Runs the contender once and judges what it made. False if it is wrong.
bool CaseSession::is_right(Side& side) {
  Row& r = side.row;
  const bool watched = side.who.kernel != nullptr;
  const uint64_t inputs = watched ? fingerprint_of_inputs(*side.runs[0]) : 0;
  side.timer->warm_up(1);
  if (watched && fingerprint_of_inputs(*side.runs[0]) != inputs) {
    r.status = Status::invalid;
    r.why = "it writes to a tensor that is to be left alone";
    return false;
  }
  side.report = truth_->judge(*side.runs[0], r.backend);
  for (const OutputReport& o : side.report.outputs) {
    r.of_allowed = std::max(r.of_allowed, o.comparison.excess);
    r.worst_ulp = std::max(r.worst_ulp, o.comparison.peak_ulp);
  }
  r.dtype = operand_type(case_, *side.runs[0]);
  r.pad_efficiency = pad_efficiency(case_, *side.runs[0]);
  if (side.report.status != CaseReport::Status::failed) return true;
  r.status = Status::invalid;
  r.why = first_line(side.report.failures());
  return false;
}

/// A graph instead of single calls, for kernels that are shorter than a launch.
void CaseSession::use_graph(Side& side) {
  std::vector<CaseCall> more;
  if (protocol_.l2 == CacheState::cold) {
    const int64_t cold = copies_for(CacheState::rotate, *side.who.backend, footprint(*side.runs[0]));
    for (int64_t i = 1; i < cold; ++i) more.push_back(add_run(side, nullptr));
  }
  side.timer->use_graph(std::move(more));
}

/// As many samples per round as its share of the time allows.
int CaseSession::affordable_samples(Side& side) const {
  const auto start = std::chrono::steady_clock::now();
  side.timer->sample();
  const double sample = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int affordable = static_cast<int>(std::min(protocol_.seconds / std::max(sample, 1e-9), 1e6));
  const int least = kLeastPerRound * protocol_.rounds;
  return std::clamp(affordable, least, std::max(protocol_.samples, least)) / protocol_.rounds;
}

/// Checks the contender and makes it ready to be timed. False: it is wrong. Throws what its op throws.
bool CaseSession::prepare(Side& side) {
  const Backend& b = *side.who.backend;
  Timed timed;
  timed.backend = &b, timed.l2 = protocol_.l2;
  timed.copies = {add_run(side, protocol_.l2 == CacheState::rotate ? nullptr : &truth_->shared())};
  side.timer = std::make_unique<Timer>(timed);
  if (!is_right(side)) return false;
  const int64_t copies = copies_for(protocol_.l2, b, footprint(*side.runs[0]));
  if (copies > 1) {
    for (int64_t i = 1; i < copies; ++i) timed.copies.push_back(add_run(side, nullptr));
    side.timer = std::make_unique<Timer>(timed);
  }
  const double call = side.timer->warm_up(std::max(b.space == Space::host ? 2 : 10, static_cast<int>(copies)));
  if (side.timer->wants_graph(call)) use_graph(side);
  side.per_round = affordable_samples(side);
  // A rotated cache is cold only if the calls went all the way round.
  if (copies > 1) side.per_round = std::max(side.per_round, static_cast<int>(copies / protocol_.rounds + 1));
  side.row.clock = side.timer->clock();
  return true;
}

CaseSession::CaseSession(const Case& c, const std::vector<Contender>& contenders, const Protocol& protocol)
    : case_(c), protocol_(protocol) {
  for (const Contender& who : contenders) {
    auto side = std::make_unique<Side>();
    side->who = who;
    side->row = row_of(who);
    sides_.push_back(std::move(side));
  }
  const auto lacks_all = [](const auto& s) { return s->row.status == Status::left_out; };
  if (std::all_of(sides_.begin(), sides_.end(), lacks_all)) return;  // no need of the truth
  truth_ = std::make_unique<CaseTruth>(c, cpu_backend(), protocol.seed);
  for (auto& side : sides_) {
    if (side->row.status == Status::left_out) continue;
    Row& r = side->row;
    bool ready = false;
    try {
      ready = prepare(*side);
    } catch (const UserKernel::Refused& e) {
      r.status = Status::left_out;
      r.why = concat("glmv_kernel_run() returned ", e.code);
    } catch (const Error& e) {
      r.status = Status::invalid;
      r.why = first_line(e.what());
    }
    if (ready) continue;
    side->timer.reset();
    side->runs.clear();
  }
}

CaseSession::~CaseSession() = default;

size_t CaseSession::contenders() const { return sides_.size(); }
bool CaseSession::is_timed(size_t i) const { return sides_[i]->timer != nullptr; }
const std::string& CaseSession::name(size_t i) const { return sides_[i]->row.name; }
int CaseSession::samples_per_round(size_t i) const { return sides_[i]->per_round; }

void CaseSession::begin_round(size_t i) {
  Side& s = *sides_[i];
  if (protocol_.watch_machine) s.canaries.push_back(clock_canary());
  s.row.seconds.emplace_back();
  s.timer->warm_up(1);
  s.before = Disturbance::now();
  s.began = std::chrono::steady_clock::now();
}

double CaseSession::sample(size_t i) {
  Side& s = *sides_[i];
  double seconds = s.timer->sample();
  if (!protocol_.watch_machine) return s.row.seconds.back().emplace_back(seconds);
  // A time that is another process's too is no time of this kernel: it is taken again, as often as there are samples.
  while (s.timer->was_preempted() && s.row.retaken < protocol_.rounds * s.per_round) {
    ++s.row.retaken;
    seconds = s.timer->sample();
  }
  if (s.timer->was_preempted()) ++s.preempted;
  s.row.seconds.back().push_back(seconds);
  return seconds;
}

void CaseSession::end_round(size_t i) {
  Side& s = *sides_[i];
  const Disturbance d = Disturbance::now() - s.before;
  s.cpu_seconds += d.cpu_seconds;
  if (!protocol_.watch_machine) return;
  s.stolen_seconds += static_cast<double>(d.stolen_ticks) / 100;
  s.wall_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - s.began).count();
  s.canaries.push_back(clock_canary());
}

bool CaseSession::looks_disturbed(size_t i) const {
  const Side& s = *sides_[i];
  return !disturbance_in(s.row.seconds, s.canaries, s.preempted, s.stolen_seconds / std::max(s.wall_seconds, 1e-9))
              .empty();
}

void CaseSession::forget(size_t i) {
  Side& s = *sides_[i];
  s.row.seconds.clear();
  s.row.retaken = 0;
  s.canaries.clear();
  s.preempted = 0;
  s.stolen_seconds = s.wall_seconds = s.cpu_seconds = 0;
}

void CaseSession::check_again(size_t i) {
  Side& s = *sides_[i];
  if (s.who.kernel == nullptr || s.timer == nullptr) return;
  Row& r = s.row;
  try {
    r.why = s.runs[0]->broken_guard();
    if (!r.why.empty()) r.why = concat("in later calls it writes outside of ", r.why);
    const CaseCall call = add_run(s, &truth_->shared());
    call({});
    const CaseReport report = truth_->judge(*s.runs.back(), r.backend);
    if (report.status == CaseReport::Status::failed)
      r.why = concat("right on the first call, wrong on a later one: ", first_line(report.failures()));
  } catch (const UserKernel::Refused& e) {
    r.why = concat("glmv_kernel_run() returned ", e.code, " after it had returned 0");
  } catch (const Error& e) {
    r.why = first_line(e.what());
  }
  if (r.why.empty()) return;
  r.status = Status::invalid;
  r.seconds.clear();
  s.timer.reset();
}

Row CaseSession::row(size_t i, const Ceilings& ceilings) const {
  const Side& s = *sides_[i];
  Row r = s.row;
  r.measured = roofline(r.cost, ceilings.measured, r.dtype);
  r.sheet = roofline(r.cost, ceilings.sheet, r.dtype);
  if (s.timer == nullptr) return r;
  if (!s.canaries.empty()) r.canary_seconds = median(s.canaries);
  if (!s.timer->flush_seconds().empty()) r.flush_seconds = median(s.timer->flush_seconds());
  r.cpu_seconds = s.cpu_seconds / static_cast<double>(pooled(r.seconds).size());
  r.why = disturbance_in(r.seconds, s.canaries, s.preempted, s.stolen_seconds / std::max(s.wall_seconds, 1e-9));
  if (s.who.backend->emulated) r.why = "this is the emulator's time, not a GPU's";
  if (!r.why.empty()) r.status = Status::unstable;
  return r;
}

std::string disturbance_in(const Rounds& seconds, const std::vector<double>& canaries, int64_t preempted_samples,
                           double stolen_share) {
  const std::vector<double> all = pooled(seconds);
  const size_t third = all.size() / 3;
  if (!canaries.empty()) {
    const double slowest = quantile(canaries, 1), fastest = quantile(canaries, 0);
    if (slowest > 1.05 * fastest)
      return fmt::format("the clock changed by {:.0f} % meanwhile", 100 * (slowest / fastest - 1));
  }
  if (stolen_share > 0.02) return fmt::format("the hypervisor took {:.0f} % of a core", 100 * stolen_share);
  if (!all.empty() && 2 * preempted_samples > static_cast<int64_t>(all.size()))
    return fmt::format("others took the cores during {} of {} samples", preempted_samples, all.size());
  if (third >= 3) {
    const auto begin = all.begin(), end = all.end();
    const auto size = static_cast<int64_t>(third);
    const std::vector<double> early(begin, begin + size), late(end - size, end);
    const double first = median(early), last = median(late);
    // A drift that is less than what single samples differ by is no drift.
    const auto spread = [](const std::vector<double>& v) { return quantile(v, 0.75) - quantile(v, 0.25); };
    if (last > 1.03 * first && last - first > std::max(spread(early), spread(late)))
      return fmt::format("the last third was {:.0f} % slower than the first", 100 * (last / first - 1));
  }
  if (all.size() >= 4) {
    const double half = (quantile(all, 0.75) - quantile(all, 0.25)) / 2, middle = median(all);
    if (half > 0.25 * middle)
      return fmt::format("half of the samples are {:.0f} % and more from the median", 100 * half / middle);
  }
  return "";
}

std::vector<Row> run_case_session(CaseSession& session, const std::vector<Ceilings>& ceilings,
                                  const Protocol& protocol) {
  const auto rounds = [&](const std::vector<size_t>& who) {
    std::vector<size_t> order;
    for (int round = 0; round < protocol.rounds; ++round) {
      for (size_t k = 0; k < who.size(); ++k) order.push_back(round % 2 == 0 ? who[k] : who[who.size() - 1 - k]);
    }
    if (!order.empty()) run_rounds(session, order);
  };
  std::vector<size_t> timed;
  for (size_t i = 0; i < session.contenders(); ++i) {
    if (session.is_timed(i)) timed.push_back(i);
  }
  rounds(timed);
  // Contenders are repeated together: one that was measured at another time is no comparison.
  const bool disturbed = std::any_of(timed.begin(), timed.end(), [&](size_t i) { return session.looks_disturbed(i); });
  if (disturbed && protocol.repeat_unstable) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    for (const size_t i : timed) session.forget(i);
    rounds(timed);
  }
  std::vector<Row> rows;
  for (size_t i = 0; i < session.contenders(); ++i) {
    session.check_again(i);
    rows.push_back(session.row(i, ceilings[i]));
  }
  return rows;
}

}  // namespace glmv::bench
