#include "moe/convert/background_appender.h"

#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"

namespace moe::convert {

BackgroundAppender::BackgroundAppender(
    std::function<absl::Status(absl::string_view)> append)
    : append_(std::move(append)) {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    // Append does the work.
  }
}

BackgroundAppender::~BackgroundAppender() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status BackgroundAppender::HandOver(absl::string_view bytes) {
  try {
    return append_(bytes);
  } catch (...) {
    failure_ = std::current_exception();
    return absl::InternalError("writing has thrown");
  }
}

int64_t BackgroundAppender::Append(absl::string_view bytes) {
  if (!thread_.joinable()) {
    if (status_.ok()) status_ = HandOver(bytes);
    num_done_ = ++num_given_;
    return num_given_;
  }
  int64_t ticket = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(bytes);
    ticket = ++num_given_;
  }
  changed_.notify_all();
  return ticket;
}

absl::Status BackgroundAppender::Wait(int64_t ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  MOE_CHECK(ticket <= num_given_);
  changed_.wait(lock, [&] { return num_done_ >= ticket || !status_.ok(); });
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  return status_;
}

void BackgroundAppender::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(
        lock, [&] { return stopping_ || (!waiting_.empty() && status_.ok()); });
    if (stopping_) return;
    const absl::string_view bytes = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    absl::Status status = HandOver(bytes);
    lock.lock();
    ++num_done_;
    status_ = std::move(status);
    changed_.notify_all();
  }
}

}  // namespace moe::convert
