#include "cli/crosscheck_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/output.h"
#include "eval/endpoint_check.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;
using eval::EndpointFinding;

bool has_weights(const std::string& dir) {
  return fs::exists(fs::path(dir) / "model.safetensors") || fs::exists(fs::path(dir) / "model.safetensors.index.json");
}

/// A conversation's media in the order of its parts.
std::vector<eval::Medium> media_of(const Conversation& conversation) {
  std::vector<eval::Medium> media;
  size_t image = 0, video = 0;
  for (const Message& message : conversation.messages) {
    for (const ContentPart& part : message.content) {
      eval::Medium m;
      if (part.kind == ContentPart::Kind::image) {
        m.path = conversation.images.at(image++);
      } else if (part.kind == ContentPart::Kind::video) {
        m.kind = eval::Medium::Kind::video_file;
        m.path = conversation.videos.at(video++);
        if (fs::is_directory(m.path))
          usage_error("--video ", m.path, ": servers take video files, not folders of frames");
      } else {
        continue;
      }
      media.push_back(std::move(m));
    }
  }
  return media;
}

std::string word_for(const EndpointFinding& f) {
  return !f.revealed ? "not revealed" : f.within ? "agrees" : "DIFFERS";
}

std::string text_of(const std::vector<EndpointFinding>& findings, bool weights) {
  std::string out;
  for (const EndpointFinding& f : findings)
    out += fmt::format("{:>2} {:<18} {:<13} {}\n", f.stage, f.what, word_for(f), f.revealed ? f.detail : "");
  if (!weights) out += "no weights here: what comes after stage 2 was not judged\n";
  return out;
}

Json json_of(const std::vector<EndpointFinding>& findings, const eval::Revealed& theirs,
             const EndpointCheckFlags& flags) {
  Json out = result_header("endpoint_check");
  out["endpoint"] = flags.endpoint, out["model_name"] = flags.model_name, out["text"] = theirs.text;
  out["findings"] = Json::array();
  for (const EndpointFinding& f : findings)
    out["findings"].push_back(
        {{"stage", f.stage}, {"what", f.what}, {"revealed", f.revealed}, {"within", f.within}, {"detail", f.detail}});
  return out;
}

}  // namespace

int check_endpoint(const EndpointCheckFlags& flags, const std::string& model_flag, const PromptFlags& prompt_flags,
                   bool json, const std::string& output) {
  if (!prompt_flags.asks()) usage_error("--endpoint ", flags.endpoint, ": --prompt or --messages is missing");
  if (flags.model_name.empty()) usage_error("--endpoint ", flags.endpoint, ": --model-name is missing");
  if (!flags.endpoint.starts_with("http://") && !flags.endpoint.starts_with("https://"))
    usage_error("--endpoint ", flags.endpoint, ": an http:// or https:// address is wanted");
  const std::string dir = resolve_model(model_flag);
  const Processor processor = prompt_flags.processor(dir);
  const Prompt prompt = prompt_flags.make(processor);
  const Conversation conversation = prompt_flags.conversation();
  eval::EndpointOptions options;
  options.base_url = flags.endpoint, options.model = flags.model_name, options.key_variable = flags.key_variable;
  options.retry.tries = 3;
  options.timeout_s = flags.timeout_s;
  const int64_t room =
      std::max<int64_t>(processor.config.text.max_position_embeddings - static_cast<int64_t>(prompt.ids.size()), 1);
  const eval::Revealed theirs = eval::reveal(options, conversation.messages, media_of(conversation),
                                             !prompt_flags.no_think, std::min(flags.tokens, room), processor.tokenizer);
  std::optional<Model> model;
  if (has_weights(dir)) model = Model::open(dir);
  const std::vector<EndpointFinding> findings = check_revealed(theirs, processor, prompt, model ? &*model : nullptr);
  if (json)
    write_json(json_of(findings, theirs, flags), output);
  else
    write_result(text_of(findings, model.has_value()), output);
  const bool differs =
      std::any_of(findings.begin(), findings.end(), [](const EndpointFinding& f) { return !f.within; });
  const bool any = std::any_of(findings.begin(), findings.end(), [](const EndpointFinding& f) { return f.revealed; });
  return static_cast<int>(differs ? ExitCode::differs : any ? ExitCode::ok : ExitCode::skipped);
}

}  // namespace glmv::cli
