// The command line as its user meets it: exit codes, one clear sentence per error, nothing lost.
#include "crosscheck/mistakes.h"
#include "reference/backends.h"
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

TEST_F(Cli, TheCatalogueAsJson) {
  const Result r = glmv("crosscheck --list-mistakes --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json list = Json::parse(r.out);
  ASSERT_EQ(list.size(), mistakes().size());
  for (size_t i = 0; i < list.size(); ++i) {
    const Mistake& m = mistakes()[i];
    EXPECT_EQ(list[i]["name"], m.name);
    EXPECT_EQ(list[i]["stage"], m.stage);
    EXPECT_EQ(list[i]["point"], m.point);
    EXPECT_EQ(list[i]["description"], m.description);
    EXPECT_EQ(list[i]["reference"], m.reference);
    EXPECT_EQ(list[i]["source"], m.source);
    EXPECT_EQ(list[i]["subtle"], m.subtle);
  }
}

TEST_F(Cli, UsageErrorsAreTwo) {
  EXPECT_EQ(glmv("").code, 2);
  EXPECT_EQ(glmv("dance").code, 2);
  EXPECT_EQ(glmv("generate --no-such-flag").code, 2);
  EXPECT_EQ(glmv("generate --dtype f8 --prompt x").code, 2);
  EXPECT_EQ(glmv("generate --max-new-tokens 0 --prompt x").code, 2);
  expect_error("generate", 2, {"--prompt"});
  expect_error("generate --prompt x --inputs y", 2, {"--inputs"});
  expect_error("generate --prompt x --messages y", 2, {"--messages"});
  expect_error("generate --messages y --inputs z", 2, {"--inputs"});
  expect_error("generate --messages absent.json", 3, {"absent.json"});
  expect_error(
      "crosscheck --against " + kGolden + "moe_a/traces/text.safetensors --model " + kGolden + "moe_a --mistake x", 2,
      {"--mistake x", "rope=even_odd"});
  expect_error("cases no_such_case", 2, {"no_such_case"});
  expect_error("cases --dump add/f32_T1_H8", 2, {"-o"});
}

TEST_F(Cli, HelpIsZeroAndHasThreeExamples) {
  for (const char* verb : {"info", "preprocess", "generate", "trace", "crosscheck", "diff", "cases", "tour", "score"}) {
    const Result r = glmv(concat(verb, " --help"));
    EXPECT_EQ(r.code, 0);
    size_t examples = 0;
    for (size_t at = r.out.find(concat("  glmv ", verb)); at != std::string::npos;
         at = r.out.find(concat("  glmv ", verb), at + 1))
      ++examples;
    EXPECT_GE(examples, 3u) << r.out;
  }
  EXPECT_EQ(glmv("--version").code, 0);
}

TEST_F(Cli, AConversationFromAFileIsTheSamePromptAsFlags) {
  std::ofstream(path("chat.json")) << Json::array(
      {{{"role", "system"}, {"content", "Be brief."}},
       {{"role", "user"},
        {"content",
         {{{"type", "image"}, {"path", kPicture}}, {{"type", "text"}, {"text", "How many circles are there?"}}}}}});
  const Result flags =
      glmv("preprocess --json --system 'Be brief.' --prompt 'How many circles are there?' --image " + kPicture);
  const Result file = glmv("preprocess --json --messages chat.json");
  ASSERT_EQ(flags.code, 0) << flags.err;
  ASSERT_EQ(file.code, 0) << file.err;
  EXPECT_EQ(Json::parse(flags.out)["token_ids"], Json::parse(file.out)["token_ids"]);
  EXPECT_EQ(Json::parse(flags.out)["image_grid_thw"], Json::parse(file.out)["image_grid_thw"]);
}

TEST_F(Cli, DevicesAreWrittenToAndNotReplaced) {
  const std::string ask = "generate --prompt hi --max-new-tokens 2 -q ";
  EXPECT_EQ(glmv(ask + "-o /dev/null").code, 0);
  expect_error(ask + "-o /dev/full", 3, {"/dev/full", "No space"});
  expect_error(ask + "--json -o /dev/full", 3, {"/dev/full"});
  expect_error("preprocess --prompt hi -o /dev/full", 3, {"/dev/full"});
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(Cli, ClipsOfOneFrameOrOfDifferentSizesAreBadInputs) {
  fs::create_directories(path("clip"));
  fs::copy_file(kPicture, path("clip/0.png"));
  expect_error("preprocess --prompt x --video clip", 3, {"clip 1", "frames 1"});
  for (const char* fps : {"nan", "1e300", "1e-300"}) {
    expect_error(concat("preprocess --prompt x --video clip --fps ", fps), 2, {"--fps"});
  }
  fs::copy_file(kGolden + "images/very_flat.png", path("clip/1.png"));
  expect_error("preprocess --prompt x --video clip", 3, {"clip 1", "frame 2"});
}

TEST_F(Cli, AnAbsentBackendIsFive) {
  expect_error("generate --prompt x --backend cuda9", 5, {"cuda9", "cpu"});
  const Json info = Json::parse(glmv("info --json").out);
  for (const Json& backend : info["backends"]) {  // one that is built in, where its device is missing
    const std::string name = backend["name"], why = backend["absence"];
    if (!why.empty()) expect_error("generate --prompt x --backend " + name, 5, {name, why});
  }
}

TEST_F(Cli, TheEmulatedDeviceGivesTheSameAnswer) {
  const std::string question = "generate --image " + kPicture + " --prompt 'List the objects.' --no-think --json ";
  const Json cpu = Json::parse(glmv(question).out);
  for (const char* backend : {"cuda-emulated", "cuda-naive-emulated", "hip-emulated", "hip-naive-emulated"}) {
    const Json device = Json::parse(glmv(question + "--backend " + backend).out);
    EXPECT_EQ(device["token_ids"], cpu["token_ids"]) << backend;
    EXPECT_EQ(device["backend"], backend);
  }
}

TEST_F(Cli, CrosscheckJudgesABackend) {
  const std::string moe = "crosscheck --model " + kGolden + "moe_a ";
  for (const char* backend : {"cuda-emulated", "cuda-naive-emulated", "hip-emulated", "hip-naive-emulated"}) {
    for (const char* trace : {"greedy", "two_images.bf16", "mixed"}) {
      const std::string dtype = std::string(trace).find("bf16") == std::string::npos ? "f32" : "bf16";
      const Result r = glmv(concat(moe, "--against ", kGolden, "moe_a/traces/", trace,
                                   ".safetensors --against-backend ", backend, " --dtype ", dtype));
      EXPECT_EQ(r.code, 0) << trace << ' ' << backend << '\n' << r.out << r.err;
    }
  }
  expect_error(moe + "--against x --backend cuda-emulated", 2, {"--backend", "--against-backend"});
}

TEST_F(Cli, CrosscheckJudgesFusedOps) {
  const std::string moe = "crosscheck --model " + kGolden + "moe_a --against " + kGolden + "moe_a/traces/greedy";
  for (const char* backend : {"cpu", "cuda-emulated", "cuda-naive-emulated", "hip-emulated", "hip-naive-emulated"}) {
    const Result r = glmv(concat(moe, ".safetensors --fused --json --against-backend ", backend));
    EXPECT_EQ(r.code, 0) << backend << '\n' << r.out << r.err;
    const bool has_point = r.out.find("self_attn.k_rot") != std::string::npos;
    EXPECT_NE(has_point, static_cast<bool>(find_backend(backend).ops.fused_rope_kv_write)) << backend;
  }
  expect_error(moe + ".safetensors --fused", 2, {"--fused", "--against-backend"});
}

TEST_F(Cli, BoxesAreInPixelsOfThePictureAsItWas) {
  const std::string picture = kTwin + "/heldout/objects-003-0.png";
  const Image image = read_image(picture);
  ASSERT_NE(image.width, image.height);
  const Result r = glmv("generate --json --no-think --prompt 'Locate the black circle.' --image " + picture);
  ASSERT_EQ(r.code, 0) << r.err;
  const Json boxes = Json::parse(r.out)["boxes"];
  ASSERT_EQ(boxes.size(), 1u);
  for (size_t i = 0; i < 4; ++i) {
    const double side = static_cast<double>(i % 2 == 0 ? image.width : image.height);
    const double thousandths = boxes[0]["thousandths"][i];
    EXPECT_DOUBLE_EQ(boxes[0]["pixels"][i].get<double>(), thousandths / 1000 * side);
  }
}

TEST_F(Cli, UnderscoresAreHyphens) {
  const Result r =
      glmv("generate --image " + kPicture + " --prompt 'List the objects.' --no_think --max_new_tokens 2 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  EXPECT_EQ(j["schema"], "glmv.generate/1");
  EXPECT_EQ(j["completion_tokens"], 2);
  EXPECT_EQ(j["finish_reason"], "length");
}

TEST_F(Cli, GenerateAnswersInTextAndJson) {
  const std::string question = "generate --image " + kPicture + " --prompt 'How many circles are there?'";
  EXPECT_NE(glmv(question).out.find("<think>"), std::string::npos);
  const Json j = Json::parse(glmv(question + " --json").out);
  EXPECT_EQ(j["boxed"][0], "1");
  EXPECT_EQ(j["prompt_tokens"], 26);
  EXPECT_EQ(j["finish_reason"], "stop");
  EXPECT_GT(j["timings"]["prefill_ns"], 0);
}

TEST_F(Cli, PicturesOfOddSizes) {
  write_png(path("dot.png").string(), {1, 1, {200, 10, 10}});
  EXPECT_EQ(glmv("preprocess --image dot.png --prompt x").code, 0);
  write_png(path("ribbon.png").string(), {30000, 10, std::vector<uint8_t>(900000, 7)});
  expect_error("preprocess --image ribbon.png --prompt x", 3, {"30000"});
  expect_error("preprocess --image nothing.png --prompt x", 3, {"nothing.png"});
  std::ofstream(path("broken.jpg"), std::ios::binary) << "\xff\xd8\xff\xe0 this is no JPEG";
  expect_error("preprocess --image broken.jpg --prompt x", 3, {"broken.jpg"});
  std::ofstream(path("broken.png"), std::ios::binary) << read(kPicture).substr(0, 200);
  expect_error("preprocess --image broken.png --prompt x", 3, {"broken.png"});
}

TEST_F(Cli, ClipsAreFoldersOfFrames) {
  fs::create_directories(path("clip"));
  for (int i = 0; i < 4; ++i)
    fs::copy_file(kTwin + "/heldout/video-000-" + std::to_string(i) + ".png", path("clip") / concat(i, ".png"));
  const Result r = glmv("generate --video clip --fps 2 --prompt 'Which way does the object move?' --no-think --json");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Json::parse(r.out)["boxed"][0], "right");
  fs::create_directories(path("empty"));
  expect_error("generate --video empty --prompt x", 3, {"empty", "no frames"});
  expect_error("generate --video nowhere --prompt x", 3, {"nowhere"});
}

TEST_F(Cli, APlaceholderInTheTextIsAnError) {
  expect_error("preprocess --image " + kPicture + " --prompt '<|image|> what?'", 3, {"<|image|>", "placeholder"});
}

TEST_F(Cli, BrokenSnapshots) {
  const std::string against = " --against " + kGolden + "moe_a/traces/text.safetensors";
  const auto expect = [&](const std::function<void(const fs::path&)>& spoil, int code,
                          const std::vector<std::string>& parts) {
    expect_error("crosscheck --model " + snapshot(spoil) + against, code, parts);
  };
  const auto resize = [](const fs::path& m, const char* file, int64_t by) {
    fs::resize_file(m / file, static_cast<uintmax_t>(static_cast<int64_t>(fs::file_size(m / file)) + by));
  };
  expect([&](const fs::path& m) { resize(m, "model.safetensors", -100); }, 3, {"model.safetensors"});
  expect([](const fs::path& m) { fs::remove(m / "model.safetensors"); }, 3, {"model.safetensors"});
  expect([](const fs::path& m) { fs::remove(m / "config.json"); }, 3, {"config.json"});
  expect([](const fs::path& m) { std::ofstream(m / "config.json") << "{\"text_config\": "; }, 3, {"config.json"});
  expect(
      [](const fs::path& m) {
        std::string bytes = read(m / "model.safetensors");
        const size_t at = bytes.find("\"data_offsets\":[") + 16;
        bytes[at] = bytes[at] == '9' ? '8' : '9';  // a lying offset
        std::ofstream(m / "model.safetensors", std::ios::binary) << bytes;
      },
      3, {"model.safetensors", "data_offsets"});
  expect(
      [](const fs::path& m) {
        rewrite(m,
                [](NamedTensors& t) { std::erase_if(t, [](const auto& n) { return n.first == "lm_head.weight"; }); });
      },
      3, {"lm_head.weight", "missing"});
  expect(
      [](const fs::path& m) {
        rewrite(m, [](NamedTensors& t) {
          for (auto& [name, view] : t) {
            if (name == "model.language_model.norm.weight") view = slice(view, 0, 0, view.dim[0] - 1);
          }
        });
      },
      3, {"model.language_model.norm.weight"});
  expect(
      [](const fs::path& m) {
        Json config = Json::parse(read(m / "config.json"));
        config["text_config"]["rope_scaling"]["rope_type"] = "yarn";
        std::ofstream(m / "config.json") << config;
      },
      2, {"config.json", "rope_type", "yarn"});
}

TEST_F(Cli, BrokenTraces) {
  const std::string model = "crosscheck --model " + kGolden + "moe_a --against ";
  expect_error(model + "nothing.safetensors", 3, {"nothing.safetensors"});
  std::ofstream(path("text.safetensors")) << "this is not a tensor file";
  expect_error(model + "text.safetensors", 3, {"text.safetensors"});
  Tensor ids(DType::i64, {3});
  ids.data<int64_t>()[1] = 100000;
  write_safetensors(path("ids.safetensors").string(), {{"input_ids", ids.view}}, {});
  expect_error(model + "ids.safetensors", 3, {"ids.safetensors", "input_ids[1]", "100000"});
  write_safetensors(path("none.safetensors").string(), {{"logits", ids.view}}, {});
  expect_error(model + "none.safetensors", 3, {"none.safetensors", "input_ids"});
  Tensor grid(DType::i64, {1, 3});
  write_safetensors(path("grid.safetensors").string(),
                    {{"input_ids", Tensor(DType::i64, {3}).view}, {"image_grid_thw", grid.view}}, {});
  expect_error(model + "grid.safetensors", 3, {"grid.safetensors", "image_grid_thw"});
  write_safetensors(path("odd.safetensors").string(), {{"input_ids", Tensor(DType::i64, {3}).view}},
                    {{"dtype", "int3"}});
  expect_error(model + "odd.safetensors", 3, {"int3"});
}

TEST_F(Cli, AFailedWriteIsNeverZero) {
  const int full = std::system(GLMV_BINARY_DIR "/glmv info > /dev/full 2> /dev/null");
  EXPECT_EQ(WEXITSTATUS(full), 3);
  EXPECT_NE(glmv("info -o /nowhere/at/all.txt").code, 0);
  EXPECT_NE(glmv("preprocess --image " + kPicture + " --prompt x -o /nowhere/at/all.safetensors").code, 0);
  EXPECT_EQ(glmv("info --json -o here.json").code, 0);
  EXPECT_EQ(Json::parse(read(path("here.json")))["parameters"], 2226072);
}

TEST_F(Cli, TraceThenCrosscheckThenDiff) {
  const std::string model = "--model " + kGolden + "moe_a ",
                    inputs = "--inputs " + kGolden + "moe_a/traces/greedy.safetensors ";
  ASSERT_EQ(glmv("trace " + model + inputs + "--steps 3 -o mine.safetensors").code, 0);
  EXPECT_EQ(glmv("crosscheck " + model + "--against mine.safetensors").code, 0);
  EXPECT_EQ(glmv("diff mine.safetensors mine.safetensors").code, 0);
  ASSERT_EQ(glmv("trace " + model + inputs + "--steps 3 --chunk 3 --page-size 2 -o chunked.safetensors").code, 0);
  EXPECT_EQ(glmv("diff mine.safetensors chunked.safetensors").code, 0);
  ASSERT_EQ(glmv("trace " + model + inputs + "--mistake routed_scale=twice -o wrong.safetensors").code, 0);
  const Result wrong = glmv("crosscheck " + model + "--against wrong.safetensors");
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.out.find("known mistake: routed_scale=twice"), std::string::npos) << wrong.out;
  EXPECT_EQ(glmv("crosscheck " + model + "--against wrong.safetensors --exit-zero").code, 0);
  EXPECT_EQ(glmv("diff mine.safetensors wrong.safetensors").code, 1);
  const Json j = Json::parse(glmv("crosscheck " + model + "--against wrong.safetensors --json").out);
  EXPECT_EQ(j["first_departure"]["name"], "model.language_model.layers.1.mlp.gate.topk_weights");
  EXPECT_EQ(j["explained_by"][0], "routed_scale=twice");
}

TEST_F(Cli, TraceKeepsOnlyTheLayersThatWereAskedFor) {
  ASSERT_EQ(glmv("trace --image " + kPicture + " --prompt x --layers 'layers\\.1$|logits' -o t.safetensors").code, 0);
  const SafetensorsFile trace = SafetensorsFile::open(path("t.safetensors").string());
  EXPECT_TRUE(trace.has("input_ids") && trace.has("pixel_values") && trace.has("logits") &&
              trace.has("model.language_model.layers.1"));
  EXPECT_FALSE(trace.has("model.language_model.layers.0"));
  EXPECT_EQ(trace.metadata().at("format"), "glmv.trace/1");
  EXPECT_EQ(glmv("trace --image " + kPicture + " --prompt x --layers '[' -o t2.safetensors").code, 2);
}

TEST_F(Cli, CrosscheckComparesOurOwnPreprocessing) {
  const std::string media = "--image " + kPicture + " --prompt x ";
  ASSERT_EQ(glmv("trace " + media + "-o t.safetensors").code, 0);
  EXPECT_EQ(glmv("crosscheck --against t.safetensors " + media).code, 0);
  const Result other =
      glmv("crosscheck --against t.safetensors --image " + kTwin + "/heldout/objects-001-0.png --prompt x");
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.out.find("FIRST DEPARTURE at stage"), std::string::npos) << other.out;
}

TEST_F(Cli, CasesRunListAndDump) {
  const Result r = glmv("cases sample");
  EXPECT_EQ(r.code, 0);
  EXPECT_NE(r.out.find("12 passed, 0 failed"), std::string::npos) << r.out;
  EXPECT_NE(glmv("cases --list").out.find("attention/"), std::string::npos);
  ASSERT_EQ(glmv("cases --dump rmsnorm/in_place/bf16_hf_T5_H24 -o c.safetensors").code, 0);
  const SafetensorsFile file = SafetensorsFile::open(path("c.safetensors").string());
  for (const char* name : {"input/x", "input/weight", "gold/x", "allowed/x"}) EXPECT_TRUE(file.has(name)) << name;
  EXPECT_EQ(file.get("input/x").dtype, DType::bf16);
}

}  // namespace
}  // namespace glmv
