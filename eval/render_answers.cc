// Pictures for judges that rate rendered pages.
#include <filesystem>
#include <set>

#include "data/file.h"
#include "eval/algorithms.h"
#include "eval/answer.h"
#include "eval/render.h"
#include "eval/store.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

bool shows_pictures(const Manifest& m) {
  for (const RuleSpec& rule : m.rules) {
    for (const Json& step : rule.steps) {
      if (step.contains("judge") && step["judge"] == "design_rating") return true;
    }
  }
  return false;
}

/// The first fenced block of a language, or the whole text.
std::string page_of(const std::string& answer) {
  const Json cleaned = run_algorithm("design2code_cleanup", {{"response", answer}});
  return cleaned.is_string() ? cleaned.get<std::string>() : answer;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  OutputFile file(path, Devices::refused);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void render_reference(const Sample& sample, const std::string& path) {
  if (fs::exists(path)) return;
  if (!sample.media.empty() && sample.media[0].kind == Medium::Kind::image)
    return write_bytes(path, picture_bytes(sample.media[0]));
  if (sample.values.contains("html")) screenshot(text_of(sample.values["html"]), path);
}

}  // namespace

void render_answers(const std::vector<Benchmark>& benchmarks, const std::string& run) {
  if (find_browser().empty()) return;
  const std::map<std::string, Response> responses = ResponseStore::read(run).all;
  for (const Benchmark& b : benchmarks) {
    if (!shows_pictures(b.manifest)) continue;
    fs::create_directories(run + "/renders");
    for (const Sample& sample : b.samples) {
      const auto found = responses.find(ResponseStore::name_of(b.manifest.id, sample.id, 0));
      const std::string answer = judge_picture(run, b.manifest.id, sample.id, false);
      if (found == responses.end() || found->second.status != "ok" || fs::exists(answer)) continue;
      render_reference(sample, judge_picture(run, b.manifest.id, sample.id, true));
      screenshot(page_of(reply_for_rule("answer", found->second.text)), answer);
    }
  }
}

}  // namespace glmv::eval
