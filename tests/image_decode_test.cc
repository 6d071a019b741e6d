// Picture files against the library's bytes, refusals, and the way back through write_png.
#include "data/image.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <libdeflate.h>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "data/checkpoint.h"
#include "data/exif.h"
#include "data/png.h"

namespace glmv {
namespace {

const std::string kFolder = GLMV_SOURCE_DIR "/tests/golden/images/";

nlohmann::json golden() {
  std::ifstream in(kFolder + "images.json");
  return nlohmann::json::parse(in);
}

std::vector<char> bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The refusal's message; exit code 3 is checked on the way.
template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input) << error.what();
    return error.what();
  }
  return "(accepted)";
}

TEST(ImageDecode, EveryPictureHasTheLibrarysBytes) {
  const auto pictures = golden()["pictures"];
  ASSERT_GE(pictures.size(), 50u);
  for (const auto& row : pictures) {
    SCOPED_TRACE(row["file"].get<std::string>());
    const std::string path = kFolder + row["file"].get<std::string>();
    if (!row.contains("decoder")) {  // the library's own decoders refuse it
      EXPECT_NE(refusal([&] { read_image(path); }).find("--image-backend pillow"), std::string::npos);
      continue;
    }
    const Image image = read_image(path);
    EXPECT_EQ(image.width, row["width"]);
    EXPECT_EQ(image.height, row["height"]);
    EXPECT_EQ(sha256_hex(image.rgb.data(), image.rgb.size()), row["rgb_sha256"]);
  }
}

// Transparent colours, wide greys, EXIF and animations go another way there.
TEST(ImageDecode, EveryPictureHasPillowsBytes) {
  int different = 0;
  const auto pictures = golden()["pictures"];
  ASSERT_GE(pictures.size(), 50u);
  for (const auto& row : pictures) {
    SCOPED_TRACE(row["file"].get<std::string>());
    const auto& want = row["pillow"];
    const Image image = read_image(kFolder + row["file"].get<std::string>(), ImageBackend::pillow);
    EXPECT_EQ(image.width, want["width"]);
    EXPECT_EQ(image.height, want["height"]);
    EXPECT_EQ(sha256_hex(image.rgb.data(), image.rgb.size()), want["rgb_sha256"]);
    different += row.value("rgb_sha256", "") != want["rgb_sha256"];
  }
  EXPECT_GE(different, 10);  // or the file tells nothing
}

TEST(ImageDecode, EveryCorruptFileIsRefusedForItsReason) {
  const auto rows = golden()["refused"];
  ASSERT_GE(rows.size(), 15u);
  for (const auto& row : rows) {
    const auto file = row["file"].get<std::string>(), reason = row["reason"].get<std::string>();
    const std::string message = refusal([&] { read_image(kFolder + file); });
    const size_t name = message.find(file);
    ASSERT_NE(name, std::string::npos) << file << ": " << message;
    EXPECT_NE(message.find(reason, name + file.size()), std::string::npos) << message;
  }
}

// Formats that Pillow reads and we do not: both backends refuse, and say what the file is and what the library would
// do.
TEST(ImageDecode, OtherFormatsAreRefusedByName) {
  std::ifstream in(kFolder + "unread/unread.json");
  const auto files = nlohmann::json::parse(in)["files"];
  ASSERT_GE(files.size(), 10u);
  for (const auto& row : files) {
    const auto file = row["file"].get<std::string>(), format = row["format"].get<std::string>();
    const bool by_torchcodec = format == "AVIF";
    EXPECT_EQ(row["read_by"], by_torchcodec ? nlohmann::json({"torchcodec", "pillow"}) : nlohmann::json({"pillow"}));
    for (const ImageBackend backend : {ImageBackend::torchvision, ImageBackend::pillow}) {
      const std::string message = refusal([&] { read_image(kFolder + "unread/" + file, backend); });
      EXPECT_NE(message.find(file + ": " + format + " is not read here"), std::string::npos) << message;
      const char* said = is_pillow(backend) ? "though Pillow reads it"
                         : by_torchcodec    ? "though the library reads it where torchcodec"
                                            : "nor by the library with torchvision";
      EXPECT_NE(message.find(said), std::string::npos) << message;
    }
  }
}

TEST(ImageDecode, NoPrefixOfAPictureIsAccepted) {
  // GIF and WebP may be cut behind their picture, a BMP in its last padding; everything before must be missed.
  for (const char* file : {"one_pixel.jpg", "one_pixel.png", "exif_6.jpg", "progressive_420.jpg", "palette_4bit.png"}) {
    const std::vector<char> bytes = bytes_of(kFolder + file);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string message = refusal([&] { decode_image(bytes.data(), size, file); });
      ASSERT_NE(message, "(accepted)") << file << " cut to " << size << " of " << bytes.size() << " bytes";
    }
  }
}

TEST(ImageDecode, NoChangedByteCrashes) {
  // The answer may be a picture or an error; sanitizers watch.
  for (const char* file :
       {"one_pixel.jpg", "exif_6.jpg", "palette_trns.png", "rgba.webp", "animated.gif", "palette.bmp"}) {
    std::vector<char> bytes = bytes_of(kFolder + file);
    for (size_t at = 0; at < std::min<size_t>(bytes.size(), 400); ++at) {
      const char kept = bytes[at];
      for (const char other : {'\0', '\x7f', '\xff'}) {
        bytes[at] = other;
        try {
          const Image image = decode_image(bytes.data(), bytes.size(), file);
          EXPECT_EQ(image.rgb.size(), static_cast<size_t>(image.width * image.height * 3));
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ExitCode::bad_input) << error.what();
        }
      }
      bytes[at] = kept;
    }
  }
}

TEST(ImageDecode, MissingFileIsNamed) {
  const std::string message = refusal([] { read_image("/nowhere/cat.png"); });
  EXPECT_NE(message.find("/nowhere/cat.png"), std::string::npos);
}

std::string big(size_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  return big(data.size()) + body + big(libdeflate_crc32(0, body.data(), body.size()));
}

/// A PNG of 8 bits and `channels` channels whose rows use the filters in turn; `more` are chunks before its pixels.
std::string filtered_png(uint8_t colour, int64_t channels, int64_t width, int64_t height, uint32_t seed,
                         const std::string& more = "") {
  std::mt19937 draw(seed);
  std::string rows;
  for (int64_t y = 0; y < height; ++y) {
    rows += static_cast<char>(y % 5);
    for (int64_t i = 0; i < width * channels; ++i) rows += static_cast<char>(draw());
  }
  std::string packed(rows.size() + 1000, '\0');
  libdeflate_compressor* deflate = libdeflate_alloc_compressor(6);
  packed.resize(libdeflate_zlib_compress(deflate, rows.data(), rows.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(deflate);
  const std::string header = big(static_cast<size_t>(width)) + big(static_cast<size_t>(height)) + '\x08' +
                             static_cast<char>(colour) + std::string(3, '\0');
  const size_t cut = packed.size() / 3;  // the stream goes on from one IDAT to the next
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + more + png_chunk("IDAT", packed.substr(0, cut)) +
         png_chunk("IDAT", packed.substr(cut)) + png_chunk("IEND", "");
}

// The fast way for usual files and the decoder for all kinds are two programs for one format.
TEST(ImageDecode, TheFastWayThroughAPngIsStbs) {
  const std::string name = "made.png";
  for (const auto& [colour, channels] : {std::pair{kPngGrey, 1}, {kPngGreyAlpha, 2}, {kPngRgb, 3}, {kPngRgba, 4}}) {
    for (const int64_t width : {1, 2, 13, 200}) {
      const std::string bytes = filtered_png(colour, channels, width, 51, static_cast<uint32_t>(width));
      const PictureFile file{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name};
      const std::optional<Image> fast = read_usual_png(file, check_png(file));
      ASSERT_TRUE(fast) << channels << " channels, width " << width;
      EXPECT_EQ(fast->rgb, read_stb(file, "PNG").rgb) << channels << " channels, width " << width;
    }
  }
}

TEST(ImageDecode, WritePngComesBackUnchanged) {
  const Image image = read_image(kFolder + "rgb.png");
  const auto path = std::filesystem::temp_directory_path() / ("glmv_image_" + std::to_string(getpid()) + ".png");
  write_png(path.string(), image);
  const Image back = read_image(path.string());
  std::filesystem::remove(path);
  EXPECT_EQ(back.width, image.width);
  EXPECT_EQ(back.height, image.height);
  EXPECT_EQ(back.rgb, image.rgb);
}

TEST(ImageDecode, WritePngReportsWhatItCannotDo) {
  const Image image = read_image(kFolder + "rgb.png");
  EXPECT_THROW(write_png("/nowhere/out.png", image), Error);
  EXPECT_THROW(write_png("/dev/full", image), Error);
  Image lying = image;
  lying.height += 1;
  EXPECT_THROW(write_png("/dev/null", lying), Error);
}

// ---------------------------------------------------------------------------------------------------------- EXIF

/// A picture of 3x2 pixels "abc/def", one letter per pixel, as rows of letters after orientation.
std::string letters(int orientation) {
  Image stored{3, 2, {}};
  for (const char c : std::string("abcdef")) stored.rgb.insert(stored.rgb.end(), 3, static_cast<uint8_t>(c));
  const Image seen = apply_orientation(stored, orientation);
  std::string text;
  for (int64_t i = 0; i < seen.width * seen.height; ++i) {
    if (i && i % seen.width == 0) text += '/';
    text += static_cast<char>(seen.rgb[static_cast<size_t>(i * 3)]);
  }
  return text;
}

TEST(Exif, EveryOrientationMovesEveryPixel) {
  const char* expected[] = {"abc/def", "cba/fed", "fed/cba", "def/abc", "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(letters(orientation), expected[orientation - 1]) << orientation;
  }
  EXPECT_EQ(letters(0), "abc/def");
  EXPECT_EQ(letters(9), "abc/def");
}

int orientation_of(const std::string& block) { return exif_orientation(block.data(), block.size()); }

TEST(Exif, BothByteOrders) {
  using namespace std::string_literals;
  EXPECT_EQ(orientation_of("II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"s), 6);
  EXPECT_EQ(orientation_of("MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"s), 6);
}

TEST(Exif, WhatDoesNotParseIsNoOrientation) {
  using namespace std::string_literals;
  const std::string good = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"s;
  EXPECT_EQ(orientation_of(""), kNoOrientation);
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(orientation_of(good.substr(0, size)), kNoOrientation) << size;
  EXPECT_EQ(orientation_of("II*\0\xff\xff\xff\xff\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"s), 0);  // offset beyond the block
  EXPECT_EQ(orientation_of("II+\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"s), 0);         // BigTIFF
  EXPECT_EQ(orientation_of("II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\11\0\0\0"s), 1);        // no such orientation
  EXPECT_EQ(orientation_of("II*\0\10\0\0\0\xff\xff\x13\1\3\0\1\0\0\0\6\0\0\0"s), 0);     // entries beyond the block
}

TEST(Exif, PillowLooksIntoXmpToo) {
  EXPECT_EQ(xmp_orientation("<x tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(xmp_orientation("<tiff:Orientation>8</tiff:Orientation>"), 8);
  EXPECT_EQ(xmp_orientation("tiff:Orientation='6' tiff:Orientation=\"3\""), 3) << "the first that is written so";
  for (const char* none :
       {"", "tiff:Orientation", "tiff:Orientation=\"", "tiff:Orientation=\"x\"", "Orientation=\"6\""})
    EXPECT_EQ(xmp_orientation(none), kNoOrientation) << none;
}

TEST(Exif, PillowLooksIntoTheTextOfAPng) {
  using namespace std::string_literals;
  const std::string hex = "4578696600004d4d002a00000008000101120003000000010006000000000000";
  const std::string raw = "Raw profile type exif\0\nexif\n      32\n"s + hex + "\n";
  const std::string xmp = "XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"3\"/>"s;
  const std::string nonsense = "Raw profile type exif\0no lines"s;
  const auto seen = [&](const std::string& chunks, ImageBackend backend) {
    const std::string file = filtered_png(kPngRgb, 3, 3, 2, 1, chunks);
    return decode_image(file.data(), file.size(), "text.png", backend);
  };
  EXPECT_EQ(seen(png_chunk("tEXt", raw), ImageBackend::pillow).height, 3);
  EXPECT_EQ(seen(png_chunk("tEXt", raw), ImageBackend::torchvision).height, 2) << "torchcodec does not look there";
  EXPECT_EQ(seen(png_chunk("iTXt", xmp), ImageBackend::pillow).rgb[15], seen("", ImageBackend::pillow).rgb[0])
      << "the first pixel comes last";
  EXPECT_EQ(seen(png_chunk("tEXt", raw) + png_chunk("iTXt", xmp), ImageBackend::pillow).height, 3);
  EXPECT_EQ(seen(png_chunk("tEXt", nonsense), ImageBackend::pillow).height, 2);
}

}  // namespace
}  // namespace glmv
