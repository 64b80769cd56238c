// A stream in front of another that escapes what could act on a terminal.

#ifndef TOOLS_CLI_ESCAPING_STREAM_H_
#define TOOLS_CLI_ESCAPING_STREAM_H_

#include <ostream>
#include <streambuf>
#include <string>

namespace moe::cli {

// Writes EscapeControlInText of all that is written to it: newline and tab
// pass, other control characters do not, whether the stream behind is a
// terminal or not. A UTF-8 sequence may come in pieces; one that is cut short
// at the end of everything is escaped when this object goes, or by Finish.
// Where the stream behind fails, this one does.
class EscapingStream : public std::ostream {
 public:
  // `to` must outlive this object.
  explicit EscapingStream(std::ostream& to)
      : std::ostream(nullptr), buffer_(to) {
    rdbuf(&buffer_);
  }
  ~EscapingStream() override { Finish(); }

  // Writes what is held back and flushes `to`. Nothing may be written later.
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
