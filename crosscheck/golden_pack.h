// Golden packs: prompts, the points that a correct model has for them, and how far correct runs part there. Whoever has
// the pack can judge an engine without the weights.
//
// A pack is a folder:
//   manifest.json         schema glmv.golden/1: model, prompts, how noise was measured, sha256 of everything
//   config.json           of the model
//   router.safetensors    correction biases of the routers, by which choices of experts are judged
//   {prompt}.safetensors  one per prompt, see GoldenFile
//   media/                pictures and clips of the prompts
//   {prompt}.{source}.safetensors   noise that other correct programs showed ("hf": variants of the Hugging Face model)
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// Tensors of a prompt's file:
///   input_ids, pixel_values, ..., step.{n}/input_ids   the inputs under their trace names
///   gold/{point}            the f64 gold run (ids of experts i32)
///   {dtype}/{point}         our run in f32 and in bf16
///   noise/{dtype}/{point}   f32 [rows]: the largest error within the row over all legal runs in that type, or what is
///                           usual for such rows
///   order{k}/{dtype}/{point}   router logits of the other legal runs
struct GoldenPrompt {
  std::string id, what;                     ///< "two_images"; "two pictures of different shape"
  std::string text;                         ///< the question
  std::vector<std::string> images, videos;  ///< below the pack's folder
  int64_t tokens = 0, steps = 0, points = 0;
  std::string file;
  std::vector<std::string> noise_files;  ///< of other programs
};

struct GoldenHashes {
  std::string file;                            ///< sha256 of all bytes
  std::map<std::string, std::string> tensors;  ///< of each tensor's, where it is a safetensors file
};

struct GoldenPack {
  std::string dir, name;  ///< name: the folder's own, for reports
  std::string model_sha256, producer, image_backend;
  Model model;  ///< configuration and correction biases only
  SafetensorsFile router;
  std::vector<GoldenPrompt> prompts;
  std::map<std::string, GoldenHashes> hashes;  ///< by file below the folder
  std::vector<std::string> noise_sources;      ///< sentences that say whose runs the noise is from

  /// Reads the manifest and what it names, tensors on demand. Error (exit code 3): a missing or malformed file or
  /// field. Hashes are checked by verify_pack() and, of a prompt's files, by judge_with_pack().
  static GoldenPack open(const std::string& dir);
};

struct GoldenOptions {
  std::function<bool(std::string_view point)> wants;  ///< which points to keep; null = all
  std::function<void(const std::string& what)> progress;
};

/// What a prompt's file holds: gold, our runs in f32 and bf16, their noise. `script`: as greedy_script() makes it.
std::vector<std::pair<std::string, Tensor>> golden_tensors(const Model& model, const Script& script,
                                                           const GoldenOptions& options);

/// A prompt with its tensors, to be written. Of `prompt`, file, tokens and points are filled in.
struct GoldenEntry {
  GoldenPrompt prompt;
  Script script;
};

/// Makes a pack in a folder that exists and holds the media. Progress tells what is run.
void write_pack(const Model& model, std::vector<GoldenEntry> entries, const std::string& image_backend,
                const std::string& dir, const GoldenOptions& options);

/// One thing that is not as the manifest, or the model, says.
struct GoldenFault {
  bool corrupt = true;  ///< bytes that are not those of the manifest; else: the model has other numbers
  std::string file, point, what;
};

/// Recomputes all hashes and, with a model, all points and noise. An empty list: the pack is what it says.
std::vector<GoldenFault> verify_pack(const GoldenPack& pack, const Model* model, const GoldenOptions& options);

/// Judges a trace by the pack's prompt with the same ids and grids; the model is not run. Error (exit code 3): no such
/// prompt, or bytes of its files that are not those of the manifest. Behind another choice of experts its token
/// and those after it are not judged, because replaying it needs the model.
CrosscheckReport judge_with_pack(const GoldenPack& pack, Theirs theirs, const CrosscheckOptions& options);

}  // namespace glmv
