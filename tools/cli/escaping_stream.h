// A stream that escapes control characters and writes to another stream.

#ifndef TOOLS_CLI_ESCAPING_STREAM_H_
#define TOOLS_CLI_ESCAPING_STREAM_H_

#include <ostream>
#include <streambuf>
#include <string>

namespace moe::cli {

// Writes EscapeControlInText of its text to the other stream, whether that is a
// terminal or not. Newline and tab pass; other control characters are escaped.
// A UTF-8 sequence may come in pieces. Finish, or the destructor, escapes a
// sequence that is incomplete at the end. This stream fails if the other fails.
class EscapingStream : public std::ostream {
 public:
  // `to` must outlive this object.
  explicit EscapingStream(std::ostream& to)
      : std::ostream(nullptr), buffer_(to) {
    rdbuf(&buffer_);
  }
  ~EscapingStream() override { Finish(); }

  // Writes what is held back and flushes `to`. Write nothing after that.
  void Finish();

 private:
  class Buffer : public std::streambuf {
   public:
    explicit Buffer(std::ostream& to) : to_(to) {}
    bool Finish();

   protected:
    int_type overflow(int_type character) override;
    std::streamsize xsputn(const char* bytes, std::streamsize size) override;
    int sync() override;

   private:
    std::ostream& to_;
    std::string held_back_;  // The start of a sequence, up to 3 bytes.
  };

  Buffer buffer_;
};

}  // namespace moe::cli

#endif  // TOOLS_CLI_ESCAPING_STREAM_H_
