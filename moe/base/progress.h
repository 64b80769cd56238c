// Shows a person the progress of long work.
//
// On a terminal, one line that is redrawn: a bar, the share done, the rate and
// the time left. Elsewhere (a log, a pipe), a plain line when a stage starts,
// every half minute, and when it ends. Never part of a result.

#ifndef MOE_BASE_PROGRESS_H_
#define MOE_BASE_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace moe::base {

// Thread-safe. Stages do not overlap: Start finishes the one before.
class Progress {
 public:
  enum class Style { kBar, kLines, kSilent };

  struct Sink {
    std::function<void(absl::string_view)> write;
    std::function<absl::Time()> now;
    // The width of the terminal, to which a bar's line is cut; 0 if unknown.
    // May be empty.
    std::function<size_t()> columns = nullptr;
  };

  Progress(Style style, Sink sink);
  // Says that an unfinished stage stopped: it ended with an error.
  ~Progress();

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `total` is the amount of work in `unit` ("tokens", "tensors", "bytes"); 0
  // if unknown. Amounts of "bytes" are shown in GiB and so on.
  void Start(absl::string_view stage, int64_t total, absl::string_view unit);
  void Advance(int64_t amount);
  // Describes work inside the stage while nothing advances: "layer 3, iteration
  // 12 of at most 100". The detail stands at the end of the line until the next
  // Advance. EscapeControl is applied to detail, stage and unit, which may
  // contain names from files.
  void SetDetail(absl::string_view detail);
  void Finish();

 private:
  enum class Moment { kRunning, kFinished, kStopped };

  void End(Moment moment);
  void Draw(absl::Time now, Moment moment);
  void DrawIfDue();
  std::string Line(absl::Duration elapsed, Moment moment) const;
  std::string Amount(double amount) const;

  const Style style_;
  const Sink sink_;
  std::mutex mutex_;
  bool running_ = false;
  std::string stage_;
  std::string unit_;
  std::string detail_;
  int64_t total_ = 0;
  int64_t done_ = 0;
  size_t drawn_columns_ = 0;
  absl::Time start_;
  absl::Time last_drawn_;
};

// To standard error: a bar where it is a terminal, lines where it is not.
Progress::Style StyleForStandardError();
Progress::Sink StandardErrorSink();

}  // namespace moe::base

#endif  // MOE_BASE_PROGRESS_H_
