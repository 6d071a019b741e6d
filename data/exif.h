// EXIF: the one tag that changes pixels. Everything else in the block is ignored.
//
// The block is untrusted: every offset is checked, and a block that does not parse means "no orientation", as it
// does in the libraries; a broken thumbnail directory must not cost the user a picture.
#pragma once

#include <cstddef>
#include <string_view>

#include "data/image.h"

namespace glmv {

constexpr int kNoOrientation = 0;

/// Orientation tag (1..8) of a TIFF-structured EXIF block (what follows "Exif\0\0" in a JPEG), or kNoOrientation.
int exif_orientation(const void* tiff, size_t size);

/// The digit behind the first `tiff:Orientation` of an XMP packet, or kNoOrientation. Pillow asks it where EXIF has
/// none.
int xmp_orientation(std::string_view packet);

/// The picture as it is meant to be seen: rows and columns exchanged and mirrored as orientation 1..8 says.
Image apply_orientation(Image stored, int orientation);

}  // namespace glmv
