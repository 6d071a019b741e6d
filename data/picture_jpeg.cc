// JPEG by libjpeg-turbo with its defaults.
//
// EXIF orientation is looked for where torchcodec, the library's first choice of decoder, looks: the first APP1
// segment.
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

#include "data/exif.h"
#include "data/picture_formats.h"

namespace glmv {
namespace {

/// libjpeg reports errors by a call that must not return, so they leave by longjmp. Only guarded() sets the jump,
/// and the steps it runs are functions without C++ objects: nothing that needs a destructor is ever jumped over.
class JpegReader {
 public:
  explicit JpegReader(const PictureFile& file) : file_(file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = note_warning;
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = limit_scans;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Image read(ImageBackend backend) {
    pillow_ = is_pillow(backend);
    run(create);
    run(read_header);
    const int orientation =
        pillow_ ? pillow_orientation() : first_orientation();  // libjpeg forgets the segment when it finishes
    Image image = make_image(file_, info_.image_width, info_.image_height);
    std::vector<uint8_t> cmyk(is_cmyk() ? size_t{info_.image_width} * 4 : 0);
    rgb_ = image.rgb.data();
    cmyk_row_ = cmyk.data();
    run(read_rows);
    return apply_orientation(std::move(image), orientation);
  }

 private:
  static constexpr int kMostScans = 500;  // real progressive files have about ten; thousands are a slow attack

  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  [[noreturn]] static void leave(j_common_ptr info) {
    JpegReader& reader = self(info);
    info->err->format_message(info, reader.reason_);
    std::longjmp(reader.jump_, 1);
  }
  /// A file that ends inside its data is padded with grey by libjpeg; here that is an error. Other warnings are not,
  /// and to Pillow a segment of data that ends early in a whole file is none either.
  static void note_warning(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    const bool is_cut = code == JWRN_JPEG_EOF || (code == JWRN_HIT_MARKER && !self(info).pillow_);
    if (level < 0 && is_cut) leave(info);
  }
  static void limit_scans(j_common_ptr info) {
    JpegReader& reader = self(info);
    if (reader.info_.input_scan_number <= kMostScans) return;
    std::snprintf(reader.reason_, sizeof reader.reason_, "more than %d scans", kMostScans);
    std::longjmp(reader.jump_, 1);
  }

  bool guarded(void (*step)(JpegReader&)) {
    if (setjmp(jump_)) return false;
    step(*this);
    return true;
  }
  void run(void (*step)(JpegReader&)) {
    if (!guarded(step)) file_.fail("JPEG: ", reason_);
  }

  static void create(JpegReader& r) {
    jpeg_create_decompress(&r.info_);
    r.info_.progress = &r.progress_;
    jpeg_mem_src(&r.info_, r.file_.data, static_cast<unsigned long>(r.file_.size));
    jpeg_save_markers(&r.info_, JPEG_APP0 + 1, 0xffff);
  }
  static void read_header(JpegReader& r) {
    jpeg_read_header(&r.info_, TRUE);
    r.info_.out_color_space = r.is_cmyk() ? JCS_CMYK : JCS_RGB;
  }
  static void read_rows(JpegReader& r) {
    jpeg_start_decompress(&r.info_);
    while (r.info_.output_scanline < r.info_.output_height) {
      uint8_t* rgb = r.rgb_ + size_t{r.info_.output_scanline} * r.info_.output_width * 3;
      JSAMPROW row = r.is_cmyk() ? r.cmyk_row_ : rgb;
      jpeg_read_scanlines(&r.info_, &row, 1);
      if (r.is_cmyk()) cmyk_to_rgb(row, r.info_.output_width, rgb);
    }
    jpeg_finish_decompress(&r.info_);
  }

  bool is_cmyk() const { return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK; }

  /// Adobe stores inks inverted (255 = none), so a channel is ink * black / 255, rounded.
  static void cmyk_to_rgb(const uint8_t* cmyk, size_t width, uint8_t* rgb) {
    for (size_t x = 0; x < width; ++x, cmyk += 4) {
      for (int c = 0; c < 3; ++c) {
        const uint32_t light = uint32_t{cmyk[c]} * cmyk[3];
        *rgb++ = static_cast<uint8_t>((light + 127) / 255);
      }
    }
  }

  static bool is_exif(jpeg_saved_marker_ptr m) {
    return m->data_length >= kExifPrefix && std::memcmp(m->data, "Exif\0\0", kExifPrefix) == 0;
  }
  static int orientation_in(jpeg_saved_marker_ptr m) {
    return exif_orientation(m->data + kExifPrefix, m->data_length - kExifPrefix);
  }
  /// Only the first APP1 segment counts for the library's own decoder: EXIF behind another one, say XMP, is not seen.
  int first_orientation() const {
    const jpeg_saved_marker_ptr m = info_.marker_list;
    return m && m->data_length >= kExifPrefix ? orientation_in(m) : 1;
  }
  /// Pillow takes the first EXIF segment, wherever it stands, and where that says nothing the first XMP packet.
  int pillow_orientation() const {
    constexpr std::string_view kXmp{"http://ns.adobe.com/xap/1.0/\0", 29};
    int exif = kNoOrientation, xmp = kNoOrientation;
    bool seen_exif = false, seen_xmp = false;
    for (jpeg_saved_marker_ptr m = info_.marker_list; m; m = m->next) {
      const std::string_view segment(reinterpret_cast<const char*>(m->data), m->data_length);
      if (!seen_exif && is_exif(m)) seen_exif = true, exif = orientation_in(m);
      if (!seen_xmp && segment.starts_with(kXmp)) seen_xmp = true, xmp = xmp_orientation(segment.substr(kXmp.size()));
    }
    return exif != kNoOrientation ? exif : xmp;
  }

  const PictureFile& file_;
  bool pillow_ = false;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char reason_[JMSG_LENGTH_MAX] = "";
  uint8_t* rgb_ = nullptr;
  uint8_t* cmyk_row_ = nullptr;
};

}  // namespace

Image read_jpeg(const PictureFile& file, ImageBackend backend) { return JpegReader(file).read(backend); }

}  // namespace glmv
