// EXIF: the one tag that changes pixels. Everything else in the block is ignored.
//
// The block is untrusted: every offset is checked, and a block that does not parse means "no orientation", as it
// does in the libraries; a broken thumbnail directory must not cost the user a picture.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace glmv {

/// Orientation tag (1..8) of a TIFF-structured EXIF block (what follows "Exif\0\0" in a JPEG); 1 if there is none.
int exif_orientation(const void* tiff, size_t size);

/// The picture as it is meant to be seen: rows and columns exchanged and mirrored as orientation 1..8 says.
Image apply_orientation(Image stored, int orientation);

}  // namespace glmv
