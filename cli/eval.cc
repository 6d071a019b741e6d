// eval: asks a model the questions of benchmarks, keeps every answer, and scores them.
#include "cli/eval.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "bench/machine.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "data/json_file.h"
#include "eval/render.h"
#include "eval/run.h"
#include "eval/secrets.h"
#include "eval/thumbnail.h"
#include "reference/core/parallel.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string model, replies, data, output, explain, shard = "1/1", extra_body;
  std::vector<std::string> tasks;
  bool list = false, dry_run = false, no_think = false, think = false, no_forced_close = false, any_hash = false,
       plain_protocol = false, no_request_log = false;
  double fps = 2;
  int64_t image_tokens = -1, video_tokens = -1;
  RunFlags run;
  eval::RunOptions options;
  eval::EndpointOptions endpoint;
  double temperature = -1, top_p = -1;
  int64_t request_seed = -1;
  ScoreFlags score;
};

constexpr const char* kExamples = R"(Examples:
  glmv eval --list
      the benchmarks there are
  glmv eval --explain mathvista
      its protocol card: data, prompt, rules, published values, what is unknown
  glmv eval --tasks twin_number,twin_thinking -o runs/twin
      the embedded model on its held-out pictures; writes answers, scores, report.md and report.html
  glmv eval --tasks mmstar,mmmu_val --base-url http://gpu7:8000/v1 --model-name glm-4.5v --data /data -o runs/a --resume
      through an endpoint; the key comes from OPENAI_API_KEY
  glmv eval --tasks ocrbench --base-url http://gpu7:8000/v1 --model-name glm-4.5v --data /data --dry-run
      the plan, three prompts and the number of requests)";

std::vector<eval::Manifest> chosen_manifests(const Flags& f) {
  std::vector<eval::Manifest> all = eval::read_manifests(f.options.manifests), out;
  for (const std::string& id : f.tasks) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const eval::Manifest& m) { return m.id == id; });
    if (found == all.end()) usage_error("--tasks ", id, ": no such benchmark; `glmv eval --list` lists them");
    if (std::any_of(out.begin(), out.end(), [&](const eval::Manifest& m) { return m.id == id; }))
      usage_error("--tasks names ", id, " twice");
    out.push_back(*found);
  }
  if (out.empty()) usage_error("--tasks is missing; `glmv eval --list` lists what there is");
  return out;
}

eval::ModelUnderTest make_model(Flags& f) {
  const bool by_endpoint = !f.endpoint.base_url.empty();
  if (by_endpoint && !f.replies.empty()) usage_error("--base-url and --replies: only one of them");
  if (!f.replies.empty()) return eval::recorded_replies(f.replies);
  if (!by_endpoint) {
    eval::LocalOptions local;
    local.dir = f.model;
    local.backend = &f.run.use();
    local.activation = f.run.activation();
    return eval::local_model(local);
  }
  if (f.endpoint.model.empty())
    usage_error("--base-url needs --model-name, the name by which the server knows the model");
  if (f.temperature >= 0) f.endpoint.temperature = f.temperature;
  if (f.top_p >= 0) f.endpoint.top_p = f.top_p;
  if (f.request_seed >= 0) f.endpoint.seed = f.request_seed;
  f.endpoint.server_flags = !f.plain_protocol;
  if (!f.extra_body.empty()) f.endpoint.extra = parse_json_object(f.extra_body, "--extra-body");
  if (!f.no_request_log && !f.dry_run) f.endpoint.request_log = f.output + "/requests";
  return eval::endpoint_model(f.endpoint);
}

void read_shard(const Flags& f, eval::RunOptions& o) {
  char slash = 0, rest = 0;
  long long i = 0, n = 0;
  if (std::sscanf(f.shard.c_str(), "%lld%c%lld%c", &i, &slash, &n, &rest) != 3 || slash != '/' || i < 1 || n < i ||
      n > 100000)
    usage_error("--shard ", f.shard, ": i/n is wanted, with i from 1 to n");
  o.shard = i;
  o.shards = n;
}

/// What is sent with every request beside the question.
Json sampling_of(const eval::EndpointOptions& e) {
  Json out = Json::object();
  if (e.temperature) out["temperature"] = *e.temperature;
  if (e.top_p) out["top_p"] = *e.top_p;
  if (e.seed) out["seed"] = *e.seed;
  if (!e.extra.empty()) out["extra_body"] = e.extra;
  return out.empty() ? Json("the server's") : out;
}

/// As it was typed, but for passwords in addresses and the values of keys.
std::string command_without_secrets(const Flags& f) {
  std::string out = eval::without_credentials(command_line());
  for (const std::string& variable : {f.endpoint.key_variable, f.score.judge_key})
    out = eval::Secrets("", {"Authorization: Bearer " + eval::key_in(variable)}).hide(out);
  return out;
}

/// What run.json says beside the settings of the tasks.
Json environment(const Flags& f) {
  utsname host{};
  ::uname(&host);
  Json out = result_header("eval_run");
  Json record = {{"created", out.at("created")},
                 {"version", out.at("version")},
                 {"commit", bench::this_machine().commit},
                 {"command", command_without_secrets(f)},
                 {"host", {{"system", host.sysname}, {"release", host.release}, {"machine", host.machine}}},
                 {"threads", thread_count()},
                 {"limit", f.options.limit},
                 {"any_hash", f.any_hash},
                 {"seed", f.score.seed}};
  if (!f.options.ids.empty()) record["ids"] = f.options.ids;
  if (!f.endpoint.base_url.empty()) record["sampling"] = sampling_of(f.endpoint);
  return record;
}

void keep_pictures(const std::string& folder, const std::vector<eval::Benchmark>& benchmarks,
                   const std::vector<eval::TaskScore>& scores) {
  constexpr size_t kMost = 40;  // more than a report shows
  for (const eval::TaskScore& score : scores) {
    const auto b = std::find_if(benchmarks.begin(), benchmarks.end(),
                                [&](const eval::Benchmark& x) { return x.manifest.id == score.task->manifest.id; });
    if (b == benchmarks.end() || score.rules.empty()) continue;
    size_t made = 0;
    for (size_t i = 0; i < score.answered.size() && made < kMost; ++i) {
      if (score.rules[0].verdicts[0][i].score.value_or(0) >= 1) continue;
      const std::string& id = score.task->samples[score.answered[i]].id;
      const auto sample =
          std::find_if(b->samples.begin(), b->samples.end(), [&](const eval::Sample& s) { return s.id == id; });
      if (sample == b->samples.end() || sample->media.empty()) continue;
      eval::keep_thumbnails(folder, b->manifest.id, id, sample->media);
      ++made;
    }
  }
}

/// Failures are told even if nothing else is.
void say_counts(const eval::RunCounts& c, bool quiet) {
  if (quiet && c.failed == 0) return;
  std::cerr << fmt::format("glmv: {} asked, {} already there, {} failed", c.asked, c.kept, c.failed);
  if (c.stale > 0) std::cerr << fmt::format(", {} answers to other input were asked again", c.stale);
  if (c.torn_bytes > 0) std::cerr << fmt::format(", a torn last line of {} bytes was cut off", c.torn_bytes);
  std::cerr << '\n';
  if (!c.reasons.empty()) std::cerr << "glmv: failed: " << eval::reasons_text(c.reasons) << '\n';
}

/// The held-out prompts that lie beside a local model, or those of the embedded one.
std::string own_data(const Flags& f) {
  if (f.endpoint.base_url.empty() && f.replies.empty()) {
    std::string own = resolve_model(f.model) + "/heldout";
    if (std::filesystem::is_directory(own)) return own;
  }
  return std::string(GLMV_DEFAULT_MODEL) + "/heldout";
}

int ask_and_score(Flags& f) {
  eval::RunOptions& o = f.options;
  o.folder = f.output;
  if (f.think && f.no_think) usage_error("--think and --no-think: only one of them");
  if (f.think || f.no_think) o.thinking = f.think;
  o.ask.forced_close = !f.no_forced_close;
  o.ask.frames_per_second = f.fps;
  o.ask.image_tokens = f.image_tokens;
  o.ask.video_tokens = f.video_tokens;
  read_shard(f, o);
  const std::vector<eval::Manifest> manifests = chosen_manifests(f);
  f.score.judge_timeout_s = f.endpoint.timeout_s;
  f.score.judge_retry = f.endpoint.retry;
  f.score.make_judge();  // complains before anything is computed
  if (f.data.empty()) f.data = own_data(f);
  std::vector<eval::Benchmark> benchmarks;
  benchmarks.reserve(manifests.size());
  for (const eval::Manifest& m : manifests) benchmarks.push_back(eval::load_benchmark(m, f.data, {f.any_hash}));
  if (!f.dry_run && f.output.empty()) usage_error("-o is missing: the folder of the run");
  if (!f.dry_run) check_output(f.output, Output::folder);
  eval::rehearse(benchmarks, o);
  const eval::ModelUnderTest model = make_model(f);
  if (model.check) model.check(benchmarks);
  if (f.dry_run) {
    write_result(eval::plan_text(benchmarks, model, o), "");
    return 0;
  }
  o.record = environment(f);
  const eval::FileLock lock = eval::lock_run(o);
  eval::begin_run(benchmarks, model, o);
  Progress progress(f.score.quiet);
  o.progress = [&](const std::string& what) { progress.say(what); };
  o.stop = [] { return stop_signal() != 0; };
  stop_on_signals();
  const eval::RunCounts counts = eval::ask_all(benchmarks, model, o);
  progress.clear();
  say_counts(counts, f.score.quiet);
  if (stop_signal() != 0) return 128 + stop_signal();
  eval::render_answers(benchmarks, o.folder);
  if (o.shards > 1) {
    say_notes(counts.notes);
    std::cerr << "glmv: shard " << f.shard << " is done; when all are, `glmv score " << f.output << "` scores them\n";
    return counts.failed == 0 ? 0 : static_cast<int>(ExitCode::partial);
  }
  return score_folder(f.output, f.score,
                      [&](const std::vector<eval::TaskScore>& scores) { keep_pictures(f.output, benchmarks, scores); });
}

int run(Flags& f) {
  if (f.list) {
    write_result(eval::manifest_table(eval::read_manifests(f.options.manifests)), "");
    return 0;
  }
  if (f.explain.empty()) return ask_and_score(f);
  f.tasks = {f.explain};
  write_result(eval::protocol_card(chosen_manifests(f)[0]), "");
  return 0;
}

void add_endpoint(CLI::App& verb, Flags& f) {
  verb.add_option("--base-url", f.endpoint.base_url,
                  "an OpenAI-compatible endpoint instead of a local model, up to and with /v1");
  verb.add_option("--model-name", f.endpoint.model, "the name by which the server knows the model");
  verb.add_option("--api-key-env", f.endpoint.key_variable, "environment variable with the key")->capture_default_str();
  verb.add_option("--concurrency", f.endpoint.concurrency, "requests at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb.add_option("--requests-per-second", f.endpoint.requests_per_second, "at most; 0 = any number")
      ->check(between(0, 1e6));
  verb.add_option("--timeout", f.endpoint.timeout_s, "seconds for one request, to a judge too")
      ->check(between(0.01, 1e6))
      ->capture_default_str();
  verb.add_option("--tries", f.endpoint.retry.tries, "for a request that fails in passing (429, 5xx, broken)")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb.add_option("--retry-wait", f.endpoint.retry.first_wait_s, "seconds before the second try, doubled each time")
      ->check(between(0, 1e4))
      ->capture_default_str();
  verb.add_option("--temperature", f.temperature, "sent if given; the report states none")->check(between(0, 10));
  verb.add_option("--top-p", f.top_p, "sent if given")->check(between(0, 1));
  verb.add_option("--request-seed", f.request_seed, "sent if given; one more for each repeat")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 53));
  verb.add_option("--extra-body", f.extra_body, "JSON that is merged into every request");
  verb.add_flag("--plain-protocol", f.plain_protocol, "send nothing that only vLLM and SGLang know");
  verb.add_flag("--no-request-log", f.no_request_log, "do not keep the bytes of requests, only their hash");
}

void add_run(CLI::App& verb, Flags& f) {
  eval::RunOptions& o = f.options;
  verb.add_option("--limit", o.limit, "samples of each task, the first ones; 0 = all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  verb.add_option("--ids", o.ids, "only these samples")->delimiter(',');
  verb.add_option("--shard", f.shard, "i/n: only every n-th request, from the i-th on")->capture_default_str();
  verb.add_option("--repeat", o.repeat, "ask everything so many times")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_flag("--resume", o.resume, "go on with the run in -o");
  verb.add_flag("--dry-run", f.dry_run, "only the plan, three prompts of each task and the number of requests");
  verb.add_flag("--think", f.think, "ask for answers with reasoning; default: as the manifest says, else with");
  verb.add_flag("--no-think", f.no_think, "ask for answers without reasoning");
  verb.add_option("--prompt-style", o.prompt_style, "whose wording (see --explain); default: the manifest's first");
  verb.add_option("-n,--max-new-tokens", o.max_new_tokens, "limit of each answer; default: the manifest's")
      ->check(CLI::Range(1, 1 << 24));
  verb.add_flag("--no-forced-close", f.no_forced_close,
                "leave thinking that reached the limit as it is (local models)");
  verb.add_option("--forced-tokens", o.ask.forced_tokens, "tokens after thinking was closed by force")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb.add_option("--image-tokens", f.image_tokens,
                  "most visual tokens of a picture (local models); default: the manifest's, 0 = the model's");
  verb.add_option("--video-tokens", f.video_tokens, "the same for a clip");
  verb.add_option("--fps", f.fps, "frames per second of folders of frames")
      ->check(between(1e-3, 1e6))
      ->capture_default_str();
  verb.add_flag("--any-hash", f.any_hash, "read data whose hash is not the manifest's");
}

}  // namespace

void add_eval(CLI::App& app, int& exit_code) {
  auto f = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("eval", "Run and score benchmarks");
  f->options.manifests = GLMV_BENCHMARKS;
  verb->add_flag("--list", f->list, "list the benchmarks");
  verb->add_option("--explain", f->explain, "print a benchmark's protocol card");
  verb->add_option("--tasks", f->tasks, "benchmarks to run")->delimiter(',');
  verb->add_option("--data", f->data, "folder with the data sets: DIR/<benchmark>/ or DIR itself")
      ->default_str("the model's heldout/ if it has one, else the embedded model's");
  verb->add_option("--manifests", f->options.manifests, "folder of manifests")->capture_default_str();
  verb->add_option("-o,--output", f->output, "folder of the run")->check(not_empty());
  add_model(*verb, f->model);
  f->run.add(*verb);
  verb->add_option("--replies", f->replies,
                   "score recorded replies instead of asking a model (JSON lines: sample, text; or a responses.jsonl)");
  add_endpoint(*verb, *f);
  add_run(*verb, *f);
  f->score.add(*verb);
  verb->footer(kExamples);
  verb->callback([f, &exit_code] { exit_code = run(*f); });
}

}  // namespace glmv::cli
