// Opening a run's folder.
#include <filesystem>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/score_run.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = 64u << 20;

std::string sha256_of(const std::string& path) {
  const std::string bytes = read_file(path, kMostBytes);
  return sha256_hex(bytes.data(), bytes.size());
}

/// The rules decide the score: those in the folder must be the ones of the run.
void check_is_of_run(const std::string& path, const JsonNode& record, const char* key) {
  const std::string is = sha256_of(path), was = record.at(key).text();
  if (is != was)
    input_error(path, ": damaged, or edited after the run: its sha256 is ", is, ", ", record.where, ' ', key, " is ",
                was, "; --installed-manifests scores by the installed ones");
}

KeptTask read_task(const std::string& folder, const std::string& manifests, const Json& record, const KeptRun& run,
                   int64_t repeats) {
  KeptTask out;
  out.record = record;
  const JsonNode node{record, folder + "/run.json: task"};
  const std::string id = node.at("id").text();
  const std::string manifest = concat(manifests.empty() ? folder + "/manifests" : manifests, '/', id, ".json");
  if (manifests.empty()) check_is_of_run(manifest, node, "manifest_sha256");
  out.manifest = read_manifest(manifest);
  const std::string path = folder + "/samples-" + id + ".jsonl";
  int64_t number = 0;
  for (const Json& line : read_json_lines(path)) {
    StrictObject object({line, concat(path, " line ", ++number, ':')});
    KeptSample sample{object.text("id"), object.at("values").value, {}};
    object.finish();
    for (int64_t r = 0; r < repeats; ++r) {
      const auto found = run.responses.find(ResponseStore::name_of(id, sample.id, r));
      sample.responses.push_back(found == run.responses.end() ? nullptr : &found->second);
    }
    out.samples.push_back(std::move(sample));
  }
  if (out.samples.empty()) input_error(path, ": no samples in it");
  return out;
}

}  // namespace

KeptRun open_run(const std::string& folder, const std::string& manifests) {
  KeptRun run;
  run.folder = folder;
  const std::string path = folder + "/run.json";
  if (!fs::exists(path)) input_error(folder, ": not the folder of a run (there is no run.json)");
  run.record = parse_json_object(read_file(path, kMostBytes), path);
  const JsonNode root{run.record, path + ':'};
  if (root.at("schema").text() != "glmv.eval_run/1") root.at("schema").refuse("glmv.eval_run/1");
  const std::string judges = concat(manifests.empty() ? folder + "/manifests" : manifests, "/judges.json");
  if (manifests.empty() && root.find("judges_sha256") != nullptr) check_is_of_run(judges, root, "judges_sha256");
  run.judge_prompts = read_judge_prompts(judges);
  StoredResponses stored = ResponseStore::read(folder);
  run.responses = std::move(stored.all);
  run.notes = std::move(stored.notes);
  for (const JsonNode& task : root.at("tasks").list())
    run.tasks.push_back(read_task(folder, manifests, task.value, run, root.at("repeat").integer()));
  for (const KeptTask& task : run.tasks) check_manifest(task.manifest, run.judge_prompts);
  return run;
}

std::vector<std::string> tasks_with_other_manifests(const KeptRun& run, const std::string& installed) {
  std::vector<std::string> out;
  for (const KeptTask& task : run.tasks) {
    const std::string path = concat(installed, '/', task.manifest.id, ".json");
    if (!fs::exists(path) || sha256_of(path) != task.manifest.sha256) out.push_back(task.manifest.id);
  }
  return out;
}

}  // namespace glmv::eval
