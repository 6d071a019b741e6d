// Opening a run's folder.
#include <filesystem>

#include "data/file.h"
#include "data/json_file.h"
#include "eval/score_run.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = 64u << 20;

KeptTask read_task(const std::string& folder, const std::string& manifests, const Json& record, const KeptRun& run,
                   int64_t repeats) {
  KeptTask out;
  out.record = record;
  const std::string id = JsonNode{record, folder + "/run.json: task"}.at("id").text();
  out.manifest = read_manifest((manifests.empty() ? folder + "/manifests" : manifests) + '/' + id + ".json");
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
  run.judge_prompts = read_judge_prompts((manifests.empty() ? folder + "/manifests" : manifests) + "/judges.json");
  run.responses = ResponseStore::read(folder);
  for (const JsonNode& task : root.at("tasks").list())
    run.tasks.push_back(read_task(folder, manifests, task.value, run, root.at("repeat").integer()));
  for (const KeptTask& task : run.tasks) check_manifest(task.manifest, run.judge_prompts);
  return run;
}

}  // namespace glmv::eval
