// Writes on a thread of its own, so that the next bytes are read meanwhile.

#ifndef MOE_CONVERT_BACKGROUND_APPENDER_H_
#define MOE_CONVERT_BACKGROUND_APPENDER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace moe::convert {

// Hands bytes to `append` in the order in which they came. After the first
// error of `append` it hands nothing more over, and every Wait returns that
// error. An exception of `append` is thrown by Wait. Where no thread can be
// started, Append hands the bytes over itself. For one caller.
class BackgroundAppender {
 public:
  explicit BackgroundAppender(
      std::function<absl::Status(absl::string_view)> append);

  BackgroundAppender(const BackgroundAppender&) = delete;
  BackgroundAppender& operator=(const BackgroundAppender&) = delete;
  // Drops what has not been handed over.
  ~BackgroundAppender();

  // Returns at once. The bytes must stay as they are until Wait of the number
  // that is returned, which grows by one with every call, from 1 on.
  int64_t Append(absl::string_view bytes);

  // Returns when Append number `ticket` has been handed over, with all before
  // it, or after an error. 0 is no Append: returns at once.
  absl::Status Wait(int64_t ticket);

 private:
  void Run();
  // Calls append_, and keeps what it throws.
  absl::Status HandOver(absl::string_view bytes);

  const std::function<absl::Status(absl::string_view)> append_;
  std::mutex mutex_;
  std::condition_variable changed_;  // Any of what follows.
  std::deque<absl::string_view> waiting_;
  int64_t num_given_ = 0;
  int64_t num_done_ = 0;
  bool stopping_ = false;
  absl::Status status_;
  std::exception_ptr failure_;  // Then status_ is an error.
  std::thread thread_;          // Last: it uses the others.
};

}  // namespace moe::convert

#endif  // MOE_CONVERT_BACKGROUND_APPENDER_H_
