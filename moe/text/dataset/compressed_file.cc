#include "moe/text/dataset/compressed_file.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"

namespace moe::text {
namespace {

constexpr size_t kInputBytes = size_t{64} << 10;
constexpr absl::string_view kGzipMagic("\x1f\x8b", 2);
constexpr absl::string_view kZstdMagic("\x28\xb5\x2f\xfd", 4);
// Frames that decoders skip have the magic numbers 0x184D2A50 to 0x184D2A5F.
constexpr absl::string_view kZstdSkippableMagic("\x2a\x4d\x18", 3);
// The library's own default, 128 MiB: what `zstd -d` takes without --long.
constexpr int kMaxZstdWindowLog = 27;

bool IsZstd(absl::string_view start) {
  if (absl::StartsWith(start, kZstdMagic)) return true;
  return start.size() >= 4 && (start[0] & 0xf0) == 0x50 &&
         start.substr(1, 3) == kZstdSkippableMagic;
}

bool IsBlank(absl::string_view text) {
  return text.find_first_not_of(" \t\r") == absl::string_view::npos;
}

}  // namespace

// The file's bytes, one buffer at a time.
struct CompressedFileReader::Input {
  explicit Input(base::RandomAccessFile opened)
      : file(std::move(opened)), buffer(kInputBytes, '\0') {}

  // Makes sure that there are unread bytes, unless the file is at its end.
  absl::Status Fill() {
    if (!unread.empty() || position == file.size_bytes()) {
      return absl::OkStatus();
    }
    const size_t size = static_cast<size_t>(
        std::min<uint64_t>(kInputBytes, file.size_bytes() - position));
    MOE_RETURN_IF_ERROR(
        file.Read(position, absl::MakeSpan(buffer).subspan(0, size)));
    unread = absl::string_view(buffer).substr(0, size);
    position += size;
    digest.Update(unread);
    return absl::OkStatus();
  }

  bool AtEnd() const { return unread.empty() && position == file.size_bytes(); }
  // Where the first unread byte lies in the file.
  uint64_t Offset() const { return position - unread.size(); }

  absl::Status Damaged(absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(file.path(), ": ", what,
                                            " at byte ", Offset(), " of ",
                                            file.size_bytes()));
  }

  base::RandomAccessFile file;
  std::string buffer;
  absl::string_view unread;  // Into `buffer`.
  uint64_t position = 0;     // Where `unread` ends.
  base::Sha256 digest;
};

class CompressedFileReader::Decoder {
 public:
  virtual ~Decoder() = default;
  // As CompressedFileReader::Read.
  virtual absl::StatusOr<size_t> Read(Input& input, absl::Span<char> out) = 0;
};

class CompressedFileReader::PlainDecoder : public Decoder {
 public:
  absl::StatusOr<size_t> Read(Input& input, absl::Span<char> out) override {
    MOE_RETURN_IF_ERROR(input.Fill());
    const size_t size = std::min(out.size(), input.unread.size());
    std::copy_n(input.unread.begin(), size, out.begin());
    input.unread.remove_prefix(size);
    return size;
  }
};

class CompressedFileReader::GzipDecoder : public Decoder {
 public:
  GzipDecoder() {
    // 15 is the largest window; 16 more requires a gzip header. It can only
    // fail because memory runs out.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  ~GzipDecoder() override { inflateEnd(&stream_); }

  absl::StatusOr<size_t> Read(Input& input, absl::Span<char> out) override {
    const size_t size = std::min(out.size(), kInputBytes);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size) {
      MOE_RETURN_IF_ERROR(input.Fill());
      if (input.AtEnd()) {
        if (!inside_member_) return size_t{0};
        return input.Damaged("the gzip data are truncated: they end");
      }
      MOE_RETURN_IF_ERROR(Inflate(input));
    }
    return size - stream_.avail_out;
  }

 private:
  absl::Status Inflate(Input& input) {
    if (!inside_member_) {
      MOE_CHECK(inflateReset(&stream_) == Z_OK);
      inside_member_ = true;
    }
    // zlib does not write to its input; its type says otherwise.
    stream_.next_in =
        reinterpret_cast<Bytef*>(const_cast<char*>(input.unread.data()));
    stream_.avail_in = static_cast<uInt>(input.unread.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input.unread.remove_prefix(input.unread.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_member_ = false;
      return absl::OkStatus();
    }
    if (result == Z_OK || result == Z_BUF_ERROR) return absl::OkStatus();
    return input.Damaged(absl::StrCat(
        "the gzip data are corrupt (",
        stream_.msg == nullptr ? zError(result) : stream_.msg, ")"));
  }

  z_stream stream_ = {};
  bool inside_member_ = false;
};

class CompressedFileReader::ZstdDecoder : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    MOE_CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(
        context_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog)));
  }

  absl::StatusOr<size_t> Read(Input& input, absl::Span<char> out) override {
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    while (output.pos == 0) {
      MOE_RETURN_IF_ERROR(input.Fill());
      // Output that did not fit before is still in the decoder at the end of
      // the input.
      if (input.AtEnd() && !inside_frame_) return size_t{0};
      ZSTD_inBuffer in = {input.unread.data(), input.unread.size(), 0};
      const size_t result = ZSTD_decompressStream(context_.get(), &output, &in);
      const bool stuck = input.AtEnd() && output.pos == 0;
      input.unread.remove_prefix(in.pos);
      if (ZSTD_isError(result)) return Error(input, result);
      inside_frame_ = result != 0;
      if (stuck && inside_frame_) {
        return input.Damaged("the Zstandard data are truncated: they end");
      }
    }
    return output.pos;
  }

 private:
  struct FreeContext {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  static absl::Status Error(const Input& input, size_t result) {
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
      return absl::ResourceExhaustedError(absl::StrCat(
          input.file.path(), ": a Zstandard frame at byte ", input.Offset(),
          ": expected a window of at most 128 MiB, found a larger one; "
          "compress "
          "it without --long or --ultra"));
    }
    return input.Damaged(absl::StrCat("the Zstandard data are corrupt (",
                                      ZSTD_getErrorName(result), ")"));
  }

  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  bool inside_frame_ = false;
};

CompressedFileReader::CompressedFileReader(std::unique_ptr<Input> input)
    : input_(std::move(input)) {}

CompressedFileReader::~CompressedFileReader() = default;

absl::StatusOr<std::unique_ptr<CompressedFileReader>>
CompressedFileReader::Open(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  // The constructor is private.
  std::unique_ptr<CompressedFileReader> reader(
      new CompressedFileReader(std::make_unique<Input>(std::move(file))));
  MOE_RETURN_IF_ERROR(reader->ChooseDecoder());
  return reader;
}

absl::Status CompressedFileReader::ChooseDecoder() {
  MOE_RETURN_IF_ERROR(input_->Fill());
  if (absl::StartsWith(input_->unread, kGzipMagic)) {
    decoder_ = std::make_unique<GzipDecoder>();
  } else if (IsZstd(input_->unread)) {
    decoder_ = std::make_unique<ZstdDecoder>();
  } else {
    decoder_ = std::make_unique<PlainDecoder>();
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> CompressedFileReader::Read(absl::Span<char> out) {
  MOE_CHECK(!out.empty());
  return decoder_->Read(*input_, out);
}

const std::string& CompressedFileReader::path() const {
  return input_->file.path();
}

uint64_t CompressedFileReader::size_bytes() const {
  return input_->file.size_bytes();
}

uint64_t CompressedFileReader::position_bytes() const {
  return input_->Offset();
}

std::optional<std::string> CompressedFileReader::HexDigest() const {
  if (!input_->AtEnd()) return std::nullopt;
  return input_->digest.HexDigest();
}

std::optional<char> ByteStream::Peek() {
  if (begin_ == buffer_.size()) Fill();
  if (begin_ == buffer_.size()) return std::nullopt;
  return buffer_[begin_];
}

void ByteStream::Skip() {
  MOE_CHECK(begin_ < buffer_.size());
  if (buffer_[begin_] == '\n') ++line_;
  ++begin_;
}

void ByteStream::Skip(size_t num_bytes) {
  MOE_CHECK(num_bytes <= buffer_.size() - begin_);
  const absl::string_view taken = unread().substr(0, num_bytes);
  line_ += std::count(taken.begin(), taken.end(), '\n');
  begin_ += num_bytes;
}

void ByteStream::Fill() {
  constexpr size_t kBufferBytes = size_t{64} << 10;
  if (at_end_) return;
  buffer_.resize(kBufferBytes);
  begin_ = 0;
  size_t size = 0;
  // Reads a byte beyond a mark: an empty buffer would look like the end.
  do {
    const absl::StatusOr<size_t> read =
        file_->Read(absl::MakeSpan(buffer_).subspan(size));
    if (!read.ok()) {
      status_ = absl::Status(read.status().code(),
                             absl::StrCat(read.status().message(), ", in line ",
                                          line_, " of the contents"));
    }
    at_end_ = !read.ok() || *read == 0;
    if (read.ok()) size += *read;
  } while (!at_end_ && at_start_ && size <= kByteOrderMark.size());
  buffer_.resize(size);
  if (at_start_ && absl::StartsWith(buffer_, kByteOrderMark)) {
    begin_ = kByteOrderMark.size();
  }
  at_start_ = false;
}

absl::StatusOr<LineReader> LineReader::Open(absl::string_view path,
                                            size_t max_line_bytes) {
  MOE_ASSIGN_OR_RETURN(std::unique_ptr<CompressedFileReader> file,
                       CompressedFileReader::Open(path));
  return LineReader(std::move(file), max_line_bytes);
}

absl::StatusOr<std::optional<Line>> LineReader::Next() {
  while (true) {
    Line line;
    line.number = bytes_.line();
    const bool is_there = TakeLine(line);
    MOE_RETURN_IF_ERROR(bytes_.status());
    if (!is_there) return std::optional<Line>();
    if (line.too_long || !IsBlank(line.text)) {
      return std::optional<Line>(std::move(line));
    }
  }
}

bool LineReader::TakeLine(Line& line) {
  bool is_there = false;
  bool has_ended = false;
  while (!has_ended && bytes_.Peek().has_value()) {
    const absl::string_view unread = bytes_.unread();
    const absl::string_view piece = unread.substr(0, unread.find('\n'));
    is_there = true;
    has_ended = piece.size() < unread.size();
    // One more for the carriage return.
    if (line.text.size() + piece.size() > max_line_bytes_ + 1) {
      line.too_long = true;
    }
    if (!line.too_long) line.text.append(piece.data(), piece.size());
    bytes_.Skip(piece.size() + (has_ended ? 1 : 0));
  }
  if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
  if (line.text.size() > max_line_bytes_) line.too_long = true;
  if (line.too_long) std::string().swap(line.text);
  return is_there;
}

}  // namespace moe::text
