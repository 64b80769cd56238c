#include "moe/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/base/float_environment.h"

namespace moe::base {
namespace {

constexpr int kMaxThreads = 1024;

// Whether this thread is running a piece of some loop.
thread_local bool inside_loop = false;

int NumUsableProcessors() {
  // The affinity mask, which containers and taskset narrow, rather than the
  // number of processors in the machine.
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof(processors), &processors) == 0) {
    return std::max(1, CPU_COUNT(&processors));
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Polls `condition` for a little longer than it takes to wake a sleeping
// thread. So a loop soon after another, and the end of a loop, cost no system
// call that sleeps. Yields between polls, so that other threads get the
// processor.
template <typename Condition>
void AwaitBriefly(const Condition& condition) {
  constexpr std::chrono::microseconds kLonger(50);
  const auto deadline = std::chrono::steady_clock::now() + kLonger;
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
}

}  // namespace

absl::StatusOr<int> NumThreadsFromEnvironment() {
  const char* const text = std::getenv("MOE_NUM_THREADS");
  if (text == nullptr || *text == '\0') {
    return std::min(NumUsableProcessors(), kMaxThreads);
  }
  int num_threads = 0;
  if (!absl::SimpleAtoi(text, &num_threads) || num_threads < 1 ||
      num_threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("MOE_NUM_THREADS: expected a number from 1 to ",
                     kMaxThreads, ", found \"", text, "\""));
  }
  return num_threads;
}

ThreadPool::ThreadPool(int num_threads) {
  MOE_CHECK(num_threads > 0);
  workers_.reserve(static_cast<size_t>(num_threads) - 1);
  try {
    for (int i = 1; i < num_threads; ++i) {
      workers_.emplace_back([this] { RunWorker(); });
    }
  } catch (const std::system_error&) {
    // No result depends on how many there are.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  loop_changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::RunPieces(Loop& loop) {
  inside_loop = true;
  while (!loop.has_failed) {
    const int64_t piece =
        loop.next_piece.fetch_add(1, std::memory_order_relaxed);
    if (piece >= loop.num_pieces) break;
    const int64_t begin = loop.begin + piece * loop.grain;
    // Not begin + grain: that may overflow in the last piece.
    const int64_t end =
        loop.end - begin > loop.grain ? begin + loop.grain : loop.end;
    try {
      loop.body(begin, end);
    } catch (...) {
      if (!loop.has_failed.exchange(true)) {
        loop.failure = std::current_exception();
      }
    }
  }
  inside_loop = false;
}

void ThreadPool::RethrowFailure(Loop& loop) {
  if (loop.has_failed) std::rethrow_exception(loop.failure);
}

void ThreadPool::RunWorker() {
  SetFloatEnvironment();
  uint64_t seen_generation = 0;
  for (;;) {
    const auto has_loop = [&] {
      return loop_ != nullptr && generation_ != seen_generation;
    };
    AwaitBriefly(has_loop);
    std::unique_lock<std::mutex> lock(mutex_);
    loop_changed_.wait(lock, [&] { return stopping_ || has_loop(); });
    if (stopping_) return;
    seen_generation = generation_;
    Loop& loop = *loop_;
    ++loop.num_workers_inside;
    lock.unlock();
    RunPieces(loop);
    lock.lock();
    // The last look at `loop`, which may be gone as soon as its caller sees
    // this.
    if (--loop.num_workers_inside == 0) worker_left_.notify_all();
  }
}

void ThreadPool::ParallelFor(int64_t begin, int64_t end, int64_t grain,
                             absl::FunctionRef<void(int64_t, int64_t)> body) {
  MOE_CHECK(grain > 0);
  if (begin >= end) return;
  // (end - begin - 1) / grain + 1: rounded up without overflow.
  const int64_t num_pieces = (end - begin - 1) / grain + 1;
  Loop loop{begin, end, grain, num_pieces, body};
  if (inside_loop) {
    RunPieces(loop);
    inside_loop = true;  // The enclosing piece goes on.
    RethrowFailure(loop);
    return;
  }
  SetFloatEnvironment();
  if (workers_.empty() || num_pieces == 1) {
    RunPieces(loop);
    RethrowFailure(loop);
    return;
  }
  std::lock_guard<std::mutex> callers_lock(callers_mutex_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    loop_ = &loop;
    ++generation_;
  }
  loop_changed_.notify_all();
  RunPieces(loop);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    loop_ = nullptr;  // A worker that wakes only now finds nothing to do.
  }
  const auto all_left = [&] { return loop.num_workers_inside == 0; };
  AwaitBriefly(all_left);
  // Also where all have left: the last one may still hold the mutex.
  std::unique_lock<std::mutex> lock(mutex_);
  worker_left_.wait(lock, all_left);
  RethrowFailure(loop);
}

}  // namespace moe::base
