#include "eval/endpoint_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/json_file.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string body_of(const EndpointOptions& options, const OrderedJson& messages, bool thinking, int64_t max_new_tokens,
                    bool ask_for_more) {
  OrderedJson body = {
      {"model", options.model}, {"messages", messages}, {"max_tokens", max_new_tokens}, {"temperature", 0}};
  if (ask_for_more) {
    body["logprobs"] = true, body["top_logprobs"] = 1;
    body["return_token_ids"] = true;      // vLLM
    body["skip_special_tokens"] = false;  // vLLM, SGLang
  }
  if (!thinking) body["chat_template_kwargs"] = {{"enable_thinking", false}};
  for (const auto& [key, value] : options.extra.items()) body[key] = value;
  return body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::vector<int64_t>> ids_of(const Json* list) {
  if (list == nullptr || !list->is_array()) return {};
  std::vector<int64_t> ids;
  for (const Json& id : *list) {
    if (!id.is_number_integer()) return {};
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

/// The bytes of a token as a server writes it: a list of numbers where it has one, else text.
std::string bytes_of(const Json& token) {
  const Json* bytes = member(token, "bytes");
  std::string out;
  if (bytes != nullptr && bytes->is_array()) {
    for (const Json& b : *bytes) out += static_cast<char>(b.is_number_integer() ? b.get<int>() : 0);
    return out;
  }
  const Json* text = member(token, "token");
  return text != nullptr && text->is_string() ? text->get<std::string>() : "";
}

void read_logprobs(const Json& choice, Revealed& r) {
  const Json* logprobs = member(choice, "logprobs");
  const Json* content = logprobs == nullptr ? nullptr : member(*logprobs, "content");
  if (content == nullptr || !content->is_array()) return;
  for (const Json& token : *content) {
    RevealedToken t;
    t.text = bytes_of(token);
    const Json* value = member(token, "logprob");
    if (value != nullptr && value->is_number()) t.logprob = value->get<double>();
    r.tokens.push_back(t);
  }
}

/// Ids by the bytes of the tokens; two tokens of the same bytes have none.
void find_ids(const Tokenizer& tokenizer, Revealed& r) {
  std::map<std::string, int64_t> by_bytes;
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    const auto [at, is_new] = by_bytes.emplace(tokenizer.token_bytes(id), id);
    if (!is_new) at->second = -1;
  }
  for (RevealedToken& t : r.tokens) {
    const auto found = by_bytes.find(t.text);
    t.id = found == by_bytes.end() ? -1 : found->second;
  }
}

void take_ids(const Json& root, const Json& choice, const Tokenizer& tokenizer, Revealed& r) {
  const auto ids = ids_of(member(choice, "token_ids"));
  if (ids && (r.tokens.empty() || ids->size() == r.tokens.size())) {
    r.tokens.resize(ids->size());
    for (size_t i = 0; i < ids->size(); ++i) r.tokens[i].id = (*ids)[i];
  } else if (!r.tokens.empty()) {
    find_ids(tokenizer, r);
  } else if (!r.text.empty()) {
    for (const int64_t id : tokenizer.encode(r.text)) r.tokens.push_back({id, tokenizer.token_bytes(id), {}});
    r.ids_from_text = true;
  }
  r.prompt_ids = ids_of(member(root, "prompt_token_ids"));
  if (!r.prompt_ids) r.prompt_ids = ids_of(member(choice, "prompt_token_ids"));
}

std::string token_text(const Tokenizer& tokenizer, int64_t id) {
  return concat(id, " \"", tokenizer.decode({id}), '"');
}

// ---- The local truth

/// Logits of one position from runs in f32 and bf16.
struct LocalLogits {
  Tensor f32, bf16;
  /// What a logit is uncertain by: twice the largest distance of the two.
  double uncertain() const {
    double most = 0;
    for (int64_t i = 0; i < f32.view.size(); ++i)
      most = std::max(most, std::abs(f32.data<double>()[i] - bf16.data<double>()[i]));
    return 2 * most;
  }
  double at(int64_t id) const { return f32.data<double>()[id]; }
  /// How far a token is below the best.
  double gap(int64_t id) const { return at(best()) - at(id); }
  int64_t best() const {
    return std::max_element(f32.data<double>(), f32.data<double>() + f32.view.size()) - f32.data<double>();
  }
  double logprob(int64_t id) const {
    const double most = at(best());
    double sum = 0;
    for (int64_t i = 0; i < f32.view.size(); ++i) sum += std::exp(at(i) - most);
    return at(id) - most - std::log(sum);
  }
};

/// Both runs side by side, fed with the server's tokens.
class Local {
 public:
  Local(const Model& model, const Prompt& prompt, int64_t tokens)
      : f32_(model, cpu_backend(), options(DType::f32, prompt, tokens)),
        bf16_(model, cpu_backend(), options(DType::bf16, prompt, tokens)) {
    f32_.prefill(prompt), bf16_.prefill(prompt);
  }
  LocalLogits logits() { return {f32_.last_logits(), bf16_.last_logits()}; }
  void feed(int64_t token) { f32_.step(token), bf16_.step(token); }

 private:
  static SessionOptions options(DType type, const Prompt& prompt, int64_t tokens) {
    SessionOptions o;
    o.activation = type;
    o.max_tokens = static_cast<int64_t>(prompt.ids.size()) + tokens;
    return o;
  }
  Session f32_, bf16_;
};

// ---- Findings

EndpointFinding count_finding(const Revealed& theirs, const Prompt& prompt) {
  EndpointFinding f{2, "prompt tokens", theirs.prompt_tokens >= 0, true, ""};
  const auto ours = static_cast<int64_t>(prompt.ids.size());
  f.detail = concat("theirs ", theirs.prompt_tokens, ", ours ", ours);
  if (!f.revealed || theirs.prompt_tokens == ours) return f;
  f.within = false;
  const auto visual = std::count_if(prompt.types.begin(), prompt.types.end(), [](int64_t t) { return t != 0; });
  const auto media = static_cast<int64_t>(prompt.image_grids.size());
  if (visual > 0 && theirs.prompt_tokens == ours - visual + media)
    f.detail += ": as if placeholders of pictures were not expanded";
  else if (visual > 0 && theirs.prompt_tokens == ours - visual)
    f.detail += ": as if pictures took no tokens";
  return f;
}

EndpointFinding ids_finding(const Revealed& theirs, const Prompt& prompt, const Tokenizer& tokenizer) {
  EndpointFinding f{2, "prompt token ids", theirs.prompt_ids.has_value(), true, ""};
  if (!f.revealed) return f;
  const std::vector<int64_t>& ids = *theirs.prompt_ids;
  const auto [a, b] = std::mismatch(ids.begin(), ids.end(), prompt.ids.begin(), prompt.ids.end());
  if (a == ids.end() && b == prompt.ids.end()) {
    f.detail = concat("all ", ids.size(), " equal");
    return f;
  }
  f.within = false;
  f.detail = concat("token ", a - ids.begin(), ": theirs ", a == ids.end() ? "has ended" : token_text(tokenizer, *a),
                    ", ours ", b == prompt.ids.end() ? "has ended" : token_text(tokenizer, *b));
  return f;
}

/// Marks of ours that a server takes out of the text it shows, boxes above all. Only of interest where ids were made
/// from that text: then a mark that occurs nowhere in it may have been generated and not shown.
class HiddenMarks {
 public:
  HiddenMarks(const Revealed& theirs, const Tokenizer& tokenizer, const std::vector<int64_t>& eos)
      : tokenizer_(tokenizer), eos_(eos), from_text_(theirs.ids_from_text) {
    for (const RevealedToken& t : theirs.tokens) shown_.insert(t.id);
  }
  /// An end token hides nothing: a text that goes on behind it is another answer.
  bool may_hide(int64_t id) const {
    return from_text_ && passed_.size() < kMost && tokenizer_.is_added(id) && shown_.count(id) == 0 &&
           std::find(eos_.begin(), eos_.end(), id) == eos_.end();
  }
  void pass(int64_t id) { passed_.push_back(id); }
  int64_t reasoning() const { return tokenizer_.id_of("<think>"); }
  std::string name(int64_t id) const { return token_text(tokenizer_, id); }
  std::string text() const {
    if (!from_text_) return "";
    std::string names;
    for (const int64_t id : passed_) names += concat(names.empty() ? "" : ", ", name(id));
    return passed_.empty() ? " (ids made from the text)"
                           : concat(" (ids made from the text; passed over, as the text shows none: ", names, ')');
  }
  static constexpr size_t kMost = 16;  ///< a model that gives nothing else is judged like any other

 private:
  const Tokenizer& tokenizer_;
  const std::vector<int64_t>& eos_;
  bool from_text_;
  std::set<int64_t> shown_;
  std::vector<int64_t> passed_;
};

/// Feeds the marks that may have been generated before their token `id`; `at` is where it then stands. What ends the
/// judging, or nothing.
std::string pass_over(HiddenMarks& marks, Local& local, LocalLogits& at, int64_t id) {
  while (marks.may_hide(at.best())) {
    if (at.best() == marks.reasoning()) return "our answer begins to reason, and their text shows no reasoning";
    if (at.gap(id) <= at.uncertain()) return concat("theirs and a hidden ", marks.name(at.best()), " are within noise");
    marks.pass(at.best());
    local.feed(at.best());
    at = local.logits();
  }
  return "";
}

/// Walks along their answer; each token is judged given all before it.
void judge_answer(const Revealed& theirs, const Processor& processor, const Prompt& prompt, const Model& model,
                  std::vector<EndpointFinding>& out) {
  EndpointFinding greedy{11, "greedy tokens", !theirs.tokens.empty(), true, ""};
  EndpointFinding probable{10, "log probabilities", false, true, ""};
  HiddenMarks marks(theirs, processor.tokenizer, model.config.eos_token_ids);
  Local local(model, prompt, static_cast<int64_t>(theirs.tokens.size() + HiddenMarks::kMost) + 1);
  int64_t same = 0, ties = 0, logprobs = 0;
  double worst = 0;
  for (size_t i = 0; i < theirs.tokens.size(); ++i) {
    const RevealedToken& t = theirs.tokens[i];
    if (t.id < 0 || t.id >= model.config.text.vocab_size) {
      greedy.detail = concat("token ", i, " \"", t.text, "\" has no id of ours; what follows is not judged; ");
      break;
    }
    LocalLogits at = local.logits();
    if (const std::string why = pass_over(marks, local, at, t.id); !why.empty()) {
      greedy.detail = concat("token ", i, ": ", why, ": what follows is not judged; ");
      break;
    }
    const int64_t best = at.best();
    const double uncertain = at.uncertain(), gap = at.gap(t.id);
    same += t.id == best, ties += t.id != best && gap <= uncertain;
    if (t.logprob) {
      const double off = std::abs(*t.logprob - at.logprob(t.id));
      ++logprobs;
      probable.revealed = true;
      if (off > 2 * uncertain && probable.within) {
        probable.within = false;
        probable.detail = concat("token ", i, ' ', token_text(processor.tokenizer, t.id), ": theirs ", *t.logprob,
                                 ", ours ", at.logprob(t.id), ", uncertain by ", 2 * uncertain, "; ");
      }
      worst = std::max(worst, off);
    }
    if (t.id != best && gap > uncertain) {
      greedy.within = false;
      greedy.detail +=
          concat("token ", i, ": theirs ", token_text(processor.tokenizer, t.id), " is ", gap, " below our ",
                 token_text(processor.tokenizer, best), ", logits are uncertain by ", uncertain, "; ");
      break;
    }
    if (i + 1 < theirs.tokens.size()) local.feed(t.id);
  }
  greedy.detail += concat(same, " of ", theirs.tokens.size(), " are our best, ", ties, " more within the noise of bf16",
                          marks.text());
  probable.detail += concat(logprobs, " compared, largest distance ", worst);
  out.push_back(probable);
  out.push_back(greedy);
}

}  // namespace

Revealed parse_revealed(const std::string& body, const Tokenizer& tokenizer) {
  Response response;
  std::string why;
  if (!parse_completion(body, response, why)) input_error("endpoint: ", why);
  const Json root = parse_json(body, "reply", 64);
  const Json& choice = root["choices"][0];
  Revealed r;
  r.prompt_tokens = response.prompt_tokens;
  r.text = response.text, r.finish_reason = response.finish_reason;
  read_logprobs(choice, r);
  take_ids(root, choice, tokenizer, r);
  return r;
}

Revealed reveal(const EndpointOptions& options, const std::vector<Message>& messages, const std::vector<Medium>& media,
                bool thinking, int64_t max_new_tokens, const Tokenizer& tokenizer) {
  Question question{messages, {}};
  for (const Medium& m : media) question.media.push_back(&m);
  const OrderedJson wire = request_messages(question);
  std::string refused;
  for (const bool more : {true, false}) {
    const HttpReply reply = post_body(options, body_of(options, wire, thinking, max_new_tokens, more));
    if (reply.status == 200) return parse_revealed(reply.body, tokenizer);
    refused = reply.status == 0 ? reply.error : concat("HTTP ", reply.status, ": ", reply.body.substr(0, 200));
    if (reply.status != 400 && reply.status != 422) break;  // not a matter of what was asked for
  }
  input_error("endpoint ", options.base_url, ": ", refused);
}

std::vector<EndpointFinding> check_revealed(const Revealed& theirs, const Processor& processor, const Prompt& prompt,
                                            const Model* model) {
  std::vector<EndpointFinding> out = {count_finding(theirs, prompt), ids_finding(theirs, prompt, processor.tokenizer)};
  if (model != nullptr) judge_answer(theirs, processor, prompt, *model, out);
  return out;
}

}  // namespace glmv::eval
