// A benchmark's manifest: where its rows come from, how they are read, what is asked and how answers are scored.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace glmv::eval {

using Json = nlohmann::json;

/// A column of the data set under the name that prompt and rules use.
struct Field {
  std::string name, column;
  std::string as = "text";           ///< how the cell is read: see convert_cell (row_fields.h)
  std::vector<std::string> columns;  ///< for "option_columns": one column per letter; for "joined"
  std::string folder;                ///< for "srt"
  std::vector<std::string> values;   ///< if not empty: anything else is an error
  bool optional = false;             ///< an absent or empty cell is null
  Json otherwise;                    ///< ... or this
};

/// A picture or clip of a row.
struct MediaField {
  std::string column;
  std::string as;      ///< "base64", "path", "pages" (folder of pictures), "video", "parts"
  std::string folder;  ///< below the data folder; paths are relative to it
  std::string suffix;  ///< put behind the cell's text
  bool optional = false;
};

/// One form in which the data set is distributed.
struct Layout {
  std::string kind;                 ///< "tsv", "json", "jsonl"
  std::vector<std::string> files;   ///< below the data folder; one * in a name stands for any text
  std::string rows;                 ///< json: the key that holds the list of rows; "" = the file is the list
  std::string keyed;                ///< json: rows are the values of an object, whose keys become this column
  std::string explode;              ///< a list in each row whose elements become rows, with the row's other columns
  std::vector<std::string> shared;  ///< json: keys beside `rows` that every row gets as columns
  std::string insert_media;  ///< json: a column with positions in the question at which pictures stand; 0 = in front
  std::map<std::string, std::vector<std::string>> keep;  ///< column -> values: other rows are left out, and counted
  std::map<std::string, std::string> hashes;             ///< file -> "md5:..." or "sha256:..."
  std::vector<Field> fields;
  std::vector<MediaField> media;
};

/// A text of the prompt; left out unless its conditions hold.
struct PromptPart {
  std::string text, if_field;
  Json when = Json::object();  ///< field -> value
};

/// One wording of the question.
struct Frame {
  std::string name, source;
  std::string option = "{letter}. {text}";  ///< one line of {options}
  std::string system;
  int64_t max_new_tokens = 0;  ///< what the toolkit of this wording sets; 0 = the manifest's
  std::vector<PromptPart> parts;
};

/// One way to turn replies into a score.
struct RuleSpec {
  std::string name, what;
  std::string reply = "answer";     ///< which part of the response is looked at: see reply_for_rule (answer.h)
  Json steps = Json::array();       ///< see steps.h
  Json aggregate = Json::object();  ///< see aggregate.h
};

struct Published {
  std::string model, table, mark, confidence, source;
  std::optional<double> value;
};

struct Manifest {
  std::string path, sha256;
  std::string id, name, category, what, modality, answer_type, metric;
  std::string repository, location, obtain, licence, split, split_note, samples_note, hash_note;
  std::optional<int64_t> samples;
  std::vector<Layout> layouts;
  std::string marker;   ///< text that stands where a picture goes ("<image {n}>", "<image>"); "" = media come first
  std::string cluster;  ///< field whose equal values make samples dependent; "" = none
  int64_t max_new_tokens = 8192, image_tokens = 6144, video_tokens = 48000;
  std::optional<bool> thinking;  ///< if the benchmark is meant for one mode
  std::vector<Frame> frames;     ///< the first is the default
  std::vector<RuleSpec> rules;   ///< the first is the headline's
  std::vector<std::string> algorithms;
  bool needs_judge = false;
  std::string judge_model;
  std::string environment;  ///< what the user has to bring beside the data; "" = nothing
  std::vector<Published> published;
  std::vector<std::string> open_questions, notes;
};

/// Error (exit code 3) names file, key and value: unknown keys, values of the wrong kind.
Manifest read_manifest(const std::string& path);

struct JudgePrompt;
/// What can only be checked with the judges' prompts: steps, aggregates, that algorithms exist and every field is used.
void check_manifest(const Manifest& m, const std::map<std::string, JudgePrompt>& judges);

/// All of a folder, by id, checked. Error (exit code 3) for an id that differs from its file's name.
std::vector<Manifest> read_manifests(const std::string& folder);

/// The protocol card: everything that decides the score, as Markdown.
std::string protocol_card(const Manifest& m);

/// A table of all, as Markdown.
std::string manifest_table(const std::vector<Manifest>& all);

/// The prompts with which judges are asked, by name: data/benchmarks/judges.json.
struct JudgePrompt {
  std::string name, source, text;
  int64_t max_new_tokens = 512;
  bool pictures = false;  ///< the judge sees the sample's picture and the rendered answer
};
std::map<std::string, JudgePrompt> read_judge_prompts(const std::string& path);

}  // namespace glmv::eval
