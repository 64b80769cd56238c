// Compressed variants of texts, made by the libraries' own writers.

#ifndef MOE_TEXT_DATASET_TESTING_COMPRESS_H_
#define MOE_TEXT_DATASET_TESTING_COMPRESS_H_

#include <zlib.h>
#include <zstd.h>

#include <string>

#include "absl/strings/string_view.h"
#include "moe/base/check.h"

namespace moe::text::testing {

// One gzip member.
inline std::string GzipOf(absl::string_view text) {
  z_stream stream = {};
  MOE_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8,
                         Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  MOE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  MOE_CHECK(deflateEnd(&stream) == Z_OK);
  return out;
}

// One Zstandard frame, with a checksum.
inline std::string ZstdOf(absl::string_view text, int window_log = 0) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  MOE_CHECK(context != nullptr);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  if (window_log > 0) {
    // A frame says how large its window is only where its content may be
    // larger.
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_inBuffer in = {text.data(), text.size(), 0};
  ZSTD_outBuffer output = {out.data(), out.size(), 0};
  // Two calls, so that the library cannot know the size at the first.
  MOE_CHECK(!ZSTD_isError(
      ZSTD_compressStream2(context, &output, &in, ZSTD_e_continue)));
  MOE_CHECK(ZSTD_compressStream2(context, &output, &in, ZSTD_e_end) == 0);
  ZSTD_freeCCtx(context);
  out.resize(output.pos);
  return out;
}

}  // namespace moe::text::testing

#endif  // MOE_TEXT_DATASET_TESTING_COMPRESS_H_
