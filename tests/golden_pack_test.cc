// Golden packs: whoever has one judges as whoever has the model, and nobody can change it unnoticed.
#include "crosscheck/golden_pack.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "crosscheck/golden_files.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "data/file.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const std::string kMoe = GLMV_SOURCE_DIR "/tests/golden/moe_a/";

Theirs trace(const std::string& name) {
  return theirs_from(SafetensorsFile::open(kMoe + "traces/" + name + ".safetensors"));
}

const Model& model() {
  static const Model m = Model::open(kMoe);
  return m;
}

/// What an engine that makes a known mistake makes of a script, all points.
Theirs engine_with(const Model& model, const std::string& mistake, Script script, const std::string& label) {
  const Mistake& m = find_mistake(mistake);
  Mutant wrong(model);
  if (m.build != nullptr) m.build(wrong);
  if (m.positions != nullptr) m.positions(script.prompt, model.config);
  script.forced.clear();
  return theirs_from(record(wrong.model, wrong.backend, script, {}), label);
}

class Pack : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = (fs::temp_directory_path() / ("golden_pack." + std::to_string(::getpid()))).string();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    std::vector<GoldenEntry> entries;
    for (const char* name : {"one_image", "text"}) {
      GoldenEntry e;
      e.prompt.id = name, e.prompt.what = "as in the trace";
      e.script = script_of(model(), trace(name));
      if (e.prompt.id == "text") e.script.tokens = {5, 7};  // two passes more than the traces have
      entries.push_back(e);
    }
    write_pack(model(), entries, "torchvision", dir_, {});
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string path(const std::string& file) const { return dir_ + "/" + file; }
  CrosscheckReport judge(const Theirs& theirs) const {
    CrosscheckOptions options;
    options.dtype = dtype_of_trace(theirs);
    return judge_with_pack(GoldenPack::open(dir_), theirs, options);
  }
  Json manifest() const { return Json::parse(read_file(path("manifest.json"))); }
  void write(const std::string& file, const std::string& bytes) const {
    std::ofstream(path(file), std::ios::binary) << bytes;
  }
  /// Makes the manifest agree with a file that was changed.
  void adopt(const std::string& file) const {
    Json m = manifest();
    const GoldenHashes now = hash_file(path(file));
    m["files"][file] = {{"sha256", now.file}, {"tensors", now.tensors}};
    write("manifest.json", m.dump());
  }

  std::string dir_;
};

TEST_F(Pack, IsWhatItSays) {
  EXPECT_TRUE(verify_pack(GoldenPack::open(dir_), nullptr, {}).empty());
  const std::vector<GoldenFault> faults = verify_pack(GoldenPack::open(dir_), &model(), {});
  EXPECT_TRUE(faults.empty()) << faults[0].file << ' ' << faults[0].point << ' ' << faults[0].what;
  EXPECT_EQ(read_file(path("manifest.json")).find(GLMV_SOURCE_DIR), std::string::npos) << "no path of this machine";
}

TEST_F(Pack, JudgesHuggingFaceTracesAsNoise) {
  for (const char* name : {"one_image", "one_image.bf16", "text", "text.bf16"}) {
    const CrosscheckReport r = judge(trace(name));
    EXPECT_TRUE(r.within()) << name << text_report(r, true);
    EXPECT_GT(r.compared(), 15) << name;
    EXPECT_NE(text_report(r, false).find("floors: glmv's reference"), std::string::npos) << "whose floors were used";
  }
}

TEST_F(Pack, FindsWhatTheModelFinds) {
  for (const char* mistake : {"rope=even_odd", "posembed=bilinear_zeros", "routed_scale=twice", "merger_gelu=tanh"}) {
    const Theirs theirs = engine_with(model(), mistake, script_of(model(), trace("one_image")), "engine");
    CrosscheckOptions options;
    options.explain = false;
    const CrosscheckReport by_model = crosscheck(model(), theirs, options), by_pack = judge(theirs);
    ASSERT_FALSE(by_model.within()) << mistake;
    ASSERT_FALSE(by_pack.within()) << mistake << text_report(by_pack, true);
    EXPECT_EQ(by_pack.points[static_cast<size_t>(by_pack.first)].name,
              by_model.points[static_cast<size_t>(by_model.first)].name)
        << mistake;
  }
}

TEST_F(Pack, ComparesPixelsThatWereTakenAsInput) {
  Theirs theirs = trace("one_image");
  Tensor pixels = to_host(cpu_backend(), theirs.points.at("pixel_values"));
  pixels.data<float>()[7] += 1;
  theirs.points["pixel_values"] = pixels.view;
  const CrosscheckReport r = judge(theirs);
  ASSERT_FALSE(r.within());
  EXPECT_EQ(r.points[static_cast<size_t>(r.first)].name, "pixel_values");
}

TEST_F(Pack, OfAFewPointsJudgesThose) {
  GoldenEntry e;
  e.prompt.id = e.prompt.what = "text";
  e.script = script_of(model(), trace("text"));
  GoldenOptions few;
  few.wants = [](std::string_view point) { return point.ends_with("norm"); };
  TearDown();
  fs::create_directories(dir_);
  write_pack(model(), {e}, "torchvision", dir_, few);
  const CrosscheckReport r = judge(trace("text"));
  EXPECT_TRUE(r.within()) << text_report(r, true);
  EXPECT_GT(r.compared(), 5);
}

TEST_F(Pack, OfAnotherModelIsRefusedBeforeAnythingIsRun) {
  const Model other = Model::open(GLMV_SOURCE_DIR "/tests/golden/dense_a/");
  const std::vector<GoldenFault> faults = verify_pack(GoldenPack::open(dir_), &other, {});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].file, "manifest.json");
}

TEST_F(Pack, DoesNotJudgeBehindAnotherChoiceOfExperts) {
  Theirs theirs = trace("text");
  const std::string choice = "model.language_model.layers.1.mlp.gate.topk_ids";
  ASSERT_EQ(theirs.points.count(choice), 1u);
  Tensor ids = to_host(cpu_backend(), theirs.points.at(choice), DType::i64);
  const int64_t k = ids.view.dim[1], tokens = ids.view.dim[0];
  int64_t* last = ids.data<int64_t>() + (tokens - 1) * k;
  const std::vector<int64_t> was(last, last + k);
  for (int64_t e = 0; e < 12; ++e) {  // another expert for the last token: illegal, but that is not the point here
    if (std::count(was.begin(), was.end(), e) == 0) last[0] = e;
  }
  std::sort(last, last + k);
  theirs.points[choice] = ids.view;
  const CrosscheckReport r = judge(theirs);
  const auto point = [&](const std::string& name) {
    return *std::find_if(r.points.begin(), r.points.end(), [&](const PointResult& p) { return p.name == name; });
  };
  EXPECT_EQ(point("model.language_model.layers.1").unjudged_rows, 1) << text_report(r, true);
  EXPECT_TRUE(point("model.language_model.layers.1").within);
  EXPECT_EQ(point("model.language_model.layers.0").unjudged_rows, 0);
}

TEST_F(Pack, AFlippedByteIsNamed) {
  const std::string file = "text.safetensors";
  std::string bytes = read_file(path(file));
  const SafetensorsFile before = SafetensorsFile::open(path(file));
  bytes[bytes.size() - 5] ^= 1;  // in the last tensor
  write(file, bytes);
  const std::vector<GoldenFault> faults = verify_pack(GoldenPack::open(dir_), nullptr, {});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_TRUE(faults[0].corrupt);
  EXPECT_EQ(faults[0].file, file);
  EXPECT_TRUE(before.has(faults[0].point)) << faults[0].point;
  EXPECT_THROW(judge(trace("text")), Error) << "nobody is judged by it";
}

TEST_F(Pack, ANumberThatWasChangedWithItsHashIsFoundByTheModel) {
  const std::string file = "text.safetensors", name = "gold/model.language_model.norm";
  NamedTensors tensors;
  const SafetensorsFile before = SafetensorsFile::open(path(file));
  Tensor changed = to_host(cpu_backend(), before.get(name));
  changed.data<double>()[3] *= 1 + 1e-6;
  for (const auto& [n, v] : before.tensors()) tensors.emplace_back(n, n == name ? ConstTensorView(changed.view) : v);
  write_safetensors(path(file), tensors, before.metadata());
  adopt(file);
  EXPECT_TRUE(verify_pack(GoldenPack::open(dir_), nullptr, {}).empty());
  const std::vector<GoldenFault> faults = verify_pack(GoldenPack::open(dir_), &model(), {});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_FALSE(faults[0].corrupt);
  EXPECT_EQ(faults[0].point, name);
}

TEST_F(Pack, BadManifestsAreOneClearError) {
  const Json good = manifest();
  const auto error_of = [&](const std::function<void(Json&)>& change) {
    Json m = good;
    change(m);
    write("manifest.json", m.dump());
    try {
      GoldenPack::open(dir_);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(error_of([](Json& m) { m["schema"] = "x"; }).find("schema is \"x\""), std::string::npos);
  EXPECT_NE(error_of([](Json& m) { m.erase("files"); }).find("files is missing"), std::string::npos);
  EXPECT_NE(error_of([](Json& m) { m["prompts"][0]["file"] = "../../etc/passwd"; }).find("not one below"),
            std::string::npos);
  EXPECT_NE(error_of([](Json& m) { m["prompts"][1]["tokens"] = -1; }).find("prompts[1].tokens"), std::string::npos);
  EXPECT_NE(error_of([](Json& m) { m["files"]["text.safetensors"]["sha256"] = 5; }).find("sha256"), std::string::npos);
}

TEST_F(Pack, ATraceOfAnotherPromptIsRefused) {
  try {
    judge(trace("two_images"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("one_image ("), std::string::npos) << e.what();
  }
}

// ---- Reports of what was judged

CrosscheckReport of_mistake(const char* mistake, bool isolate) {
  CrosscheckOptions options;
  options.isolate = isolate;
  return crosscheck(model(), engine_with(model(), mistake, script_of(model(), trace("one_image")), "a <b> engine"),
                    options);
}

TEST(Reports, JsonLinesEndWithASummary) {
  const CrosscheckReport r = of_mistake("posembed=bilinear_zeros", true);
  std::istringstream lines(jsonl_report(r));
  std::string line;
  std::vector<Json> records;
  while (std::getline(lines, line)) records.push_back(Json::parse(line));
  ASSERT_GT(records.size(), 10u);
  std::map<std::string, int64_t> verdicts;
  for (const Json& j : records) {
    if (j["record"] != "probe") continue;
    ++verdicts[j["verdict"].get<std::string>()];
    EXPECT_EQ(j.contains("rel_l2"), j.contains("floor") && j.contains("of_allowed")) << j;
  }
  EXPECT_EQ(records.back()["record"], "summary");
  EXPECT_EQ(records.back()["first_departure"], "model.visual.embeddings");
  EXPECT_EQ(records.back()["made_here"], Json::array({"model.visual.embeddings"}));
  EXPECT_EQ(verdicts["made here"], 1);
  EXPECT_EQ(verdicts["inherited"], r.isolation->count(Born::inherited));
}

TEST(Reports, JUnitCountsWhatItHolds) {
  const std::string xml = junit_report(of_mistake("posembed=bilinear_zeros", true));
  const auto count = [&](const std::string& what) {
    int64_t n = 0;
    for (size_t at = xml.find(what); at != std::string::npos; at = xml.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("<failure "), 1) << xml;
  EXPECT_NE(xml.find("failures=\"1\" "), std::string::npos);
  EXPECT_EQ(xml.find("a <b> engine"), std::string::npos) << "escaped";
  EXPECT_EQ(count("<testsuite "), count("</testsuite>"));
}

TEST(Reports, ThePageIsSelfContainedAndShowsThePlace) {
  const CrosscheckReport r = of_mistake("posembed=bilinear_zeros", true);
  const Theirs theirs = trace("one_image");
  const std::string html = html_report(r, theirs, model().config);
  EXPECT_NE(html.find("data:image/bmp;base64,"), std::string::npos) << "the picture lies under the heat map";
  EXPECT_NE(html.find("error by layer"), std::string::npos);
  EXPECT_NE(html.find("posembed=bilinear_zeros"), std::string::npos);
  EXPECT_EQ(html.find("a <b> engine"), std::string::npos) << "escaped";
  for (const char* outside : {"<script", "src='http", "src=\"http", "@import", "url("})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  // A heat map of tokens where the first departure has tokens.
  EXPECT_NE(html_report(of_mistake("routed_scale=twice", false), theirs, model().config).find("error by token"),
            std::string::npos);
}

}  // namespace
}  // namespace glmv
