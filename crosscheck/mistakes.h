// Known mistakes: variants of the reference that are wrong in one named way, as ports have been.
//
// A mistake changes what the reference runs with (op table, weights, configuration) or what goes in (pictures, prompt,
// positions); the forward pass itself stays the true one. Each serves three times: run on purpose (`crosscheck
// --mistake NAME`, `trace --mistake NAME`), tried when another program departs, and as a mutant that tests must catch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/model/model.h"
#include "reference/model/prompt.h"

namespace glmv {

/// How a mistaken router chooses, where its configuration and weights do not say it.
struct RouterVariant {
  bool softmax_scores = false;     ///< by a softmax of the logits
  bool groups_by_maximum = false;  ///< groups are ranked by their best expert
};

/// What our side runs with, for mistakes to change. The weights lie where the model's do until one replaces them, so
/// the model must outlive it.
struct Mutant {
  explicit Mutant(const Model& of);
  Mutant(const Mutant&) = delete;
  Mutant& operator=(const Mutant&) = delete;

  Model model;
  Backend backend;         ///< the reference
  RouterVariant router;    ///< what a judge of choices must know of a mistake
  bool selective = false;  ///< an op is wrong for marked weights or one part of the model only
};

/// A question and its media before anything was done to them.
struct PromptRequest {
  Processor processor;
  std::vector<Message> messages;
  ChatOptions options;
  std::vector<Image> images;
  std::vector<Clip> clips;
};

struct Mistake {
  std::string name;         ///< "rope=even_odd"
  int stage;                ///< in which it does its harm first
  std::string point;        ///< the first trace point it changes, without layer and step: "self_attn.q_rot"
  std::string description;  ///< what is done instead, in one sentence
  std::string reference;    ///< what the reference does
  std::string source;       ///< where that is written: a file of the repository, or a public report

  // What it changes; most have one of these.
  void (*build)(Mutant&) = nullptr;                            ///< stages 4 to 10
  void (*positions)(Prompt&, const ModelConfig&) = nullptr;    ///< stage 3: position_ids, rope_delta
  void (*request)(PromptRequest&) = nullptr;                   ///< stages 1 and 2, before processing
  void (*processed)(Prompt&, const PromptRequest&) = nullptr;  ///< stages 1 and 2, after it
  bool subtle = false;    ///< may stay below noise at its first point and be seen at a later stage only
  bool reshapes = false;  ///< changes the extents of points, so it may explain a point of another shape
  /// Resamples pictures. Two programs that use the same filter may round a byte differently, so a level of each channel
  /// counts as noise when it explains pixels.
  bool resamples = false;
};

/// The catalogue in the order of stages; within one, the more plausible mistakes come first.
const std::vector<Mistake>& mistakes();

/// By name; Error with exit code 2 that says which flag it came from and lists the names there are.
const Mistake& find_mistake(std::string_view name, std::string_view flag = "--mistake");

/// The reference backend with the mistake's wrong ops, if it has any.
Backend with_mistake(const Mistake& mistake);

/// What a program that makes these mistakes makes of the request. Error as make_prompt().
Prompt make_prompt(const PromptRequest& request, const std::vector<const Mistake*>& with = {});

/// The catalogue as text for a terminal, and as the document crosscheck/MISTAKES.md.
std::string catalogue_text();
std::string catalogue_document();

// Its parts.
std::vector<Mistake> input_mistakes();
std::vector<Mistake> position_mistakes();
std::vector<Mistake> patch_mistakes();
std::vector<Mistake> vision_mistakes();
std::vector<Mistake> merger_mistakes();
std::vector<Mistake> text_mistakes();
std::vector<Mistake> router_mistakes();
std::vector<Mistake> expert_mistakes();
std::vector<Mistake> logit_mistakes();

}  // namespace glmv
