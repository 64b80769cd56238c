#include "moe/base/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "moe/base/byte_size.h"
#include "moe/base/escape_control.h"

namespace moe::base {
namespace {

// A person sees at most ten redraws a second; two lines a minute are enough in
// a log.
constexpr absl::Duration kBarInterval = absl::Milliseconds(100);
constexpr absl::Duration kLineInterval = absl::Seconds(30);
constexpr int kBarColumns = 24;

// "0:07", "12:34", "3:04:05".
std::string FormatClock(double seconds) {
  const int64_t total = std::llround(seconds);
  const int64_t hours = total / 3600;
  if (hours > 0) {
    return absl::StrFormat("%d:%02d:%02d", hours, total / 60 % 60, total % 60);
  }
  return absl::StrFormat("%d:%02d", total / 60, total % 60);
}

std::string Bar(double share) {
  const int filled = static_cast<int>(share * static_cast<double>(kBarColumns));
  return absl::StrCat(
      "[", std::string(static_cast<size_t>(filled), '#'),
      std::string(static_cast<size_t>(kBarColumns - filled), '.'), "] ");
}

}  // namespace

Progress::Progress(Style style, Sink sink)
    : style_(style), sink_(std::move(sink)) {}

Progress::~Progress() { End(Moment::kStopped); }

void Progress::Start(absl::string_view stage, int64_t total,
                     absl::string_view unit) {
  Finish();
  if (style_ == Style::kSilent) return;
  std::lock_guard<std::mutex> lock(mutex_);
  running_ = true;
  stage_ = EscapeControl(stage);
  unit_ = EscapeControl(unit);
  detail_.clear();
  total_ = total;
  done_ = 0;
  drawn_columns_ = 0;
  start_ = sink_.now();
  Draw(start_, Moment::kRunning);
}

void Progress::Advance(int64_t amount) {
  if (style_ == Style::kSilent) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!running_) return;
  done_ += amount;
  detail_.clear();
  DrawIfDue();
}

void Progress::SetDetail(absl::string_view detail) {
  if (style_ == Style::kSilent) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!running_) return;
  detail_ = EscapeControl(detail);
  DrawIfDue();
}

void Progress::DrawIfDue() {
  const absl::Time now = sink_.now();
  const absl::Duration interval =
      style_ == Style::kBar ? kBarInterval : kLineInterval;
  if (now - last_drawn_ >= interval) Draw(now, Moment::kRunning);
}

void Progress::Finish() { End(Moment::kFinished); }

void Progress::End(Moment moment) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!running_) return;
  Draw(sink_.now(), moment);
  running_ = false;
}

std::string Progress::Amount(double amount) const {
  if (unit_ == "bytes") return FormatByteSize(static_cast<int64_t>(amount));
  if (amount >= 100 || amount == static_cast<double>(done_)) {
    return absl::StrFormat("%.0f", amount);
  }
  return absl::StrFormat("%.1f", amount);
}

std::string Progress::Line(absl::Duration elapsed, Moment moment) const {
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 1e-9);
  const double done = static_cast<double>(done_);
  const std::string unit = unit_ == "bytes" ? "" : absl::StrCat(" ", unit_);
  std::string line = absl::StrCat(stage_, ": ");
  if (total_ > 0 && moment != Moment::kFinished) {
    const double share =
        std::clamp(done / static_cast<double>(total_), 0.0, 1.0);
    if (style_ == Style::kBar) line += Bar(share);
    absl::StrAppendFormat(&line, "%3.0f%% ", 100 * share);
  }
  line += absl::StrCat(Amount(done), unit);
  if (done_ > 0) {
    absl::StrAppend(&line, ", ", Amount(done / seconds), unit, "/s");
  }
  if (moment == Moment::kFinished) {
    absl::StrAppend(&line, ", done in ", FormatClock(seconds));
  } else if (moment == Moment::kStopped) {
    absl::StrAppend(&line, ", stopped after ", FormatClock(seconds));
  } else if (done_ > 0 && total_ > done_) {
    const double rate = done / seconds;
    absl::StrAppend(&line, ", ",
                    FormatClock(static_cast<double>(total_ - done_) / rate),
                    " left");
  }
  if (!detail_.empty() && moment == Moment::kRunning) {
    absl::StrAppend(&line, "; ", detail_);
  }
  return line;
}

void Progress::Draw(absl::Time now, Moment moment) {
  std::string line = Line(now - start_, moment);
  last_drawn_ = now;
  if (style_ == Style::kLines) {
    sink_.write(absl::StrCat(line, "\n"));
    return;
  }
  // A line that wraps could not be drawn over; the last column would wrap, too.
  const size_t width = sink_.columns == nullptr ? 0 : sink_.columns();
  if (width > 1 && line.size() > width - 1) line.resize(width - 1);
  // Blanks over what a longer line before left behind.
  const size_t columns = line.size();
  if (columns < drawn_columns_) line.append(drawn_columns_ - columns, ' ');
  drawn_columns_ = columns;
  sink_.write(absl::StrCat("\r", line, moment == Moment::kRunning ? "" : "\n"));
}

Progress::Style StyleForStandardError() {
  return ::isatty(STDERR_FILENO) != 0 ? Progress::Style::kBar
                                      : Progress::Style::kLines;
}

Progress::Sink StandardErrorSink() {
  return {[](absl::string_view text) {
            ::fwrite(text.data(), 1, text.size(), stderr);
            ::fflush(stderr);
          },
          [] { return absl::Now(); },
          []() -> size_t {
            winsize size = {};
            if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return 0;
            return size.ws_col;
          }};
}

}  // namespace moe::base
