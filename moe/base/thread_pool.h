// Threads that share the work of a loop.
//
// The pieces of a range depend on the range and the grain only, never on the
// number of threads or on which of them is free. So a function that computes
// each piece by itself gives the same bits with any number of threads.

#ifndef MOE_BASE_THREAD_POOL_H_
#define MOE_BASE_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace moe::base {

// The value of MOE_NUM_THREADS, or else the number of processors that this
// process may use. InvalidArgument if the variable is not a number from 1 to
// 1024.
absl::StatusOr<int> NumThreadsFromEnvironment();

class ThreadPool {
 public:
  // Starts `num_threads` - 1 workers, or as many as the system gives. The
  // thread that calls ParallelFor works too. `num_threads` must be positive.
  explicit ThreadPool(int num_threads);

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(b, e) for the pieces [begin + i * grain, begin + (i + 1) *
  // grain) of [begin, end), the last one shorter, each once, on any thread, in
  // any order; returns when all are done. What the pieces wrote is visible
  // afterwards. `grain` must be positive. Every thread has the modes of
  // SetFloatEnvironment.
  //
  // What `body` throws, such as std::bad_alloc, is thrown here once all threads
  // have left; the pieces that were not begun are not. Called from within a
  // body, the pieces run one after another on that thread. May be called by
  // several threads: they take turns.
  void ParallelFor(int64_t begin, int64_t end, int64_t grain,
                   absl::FunctionRef<void(int64_t, int64_t)> body);

 private:
  // One call of ParallelFor; on its caller's stack.
  struct Loop {
    int64_t begin;
    int64_t end;
    int64_t grain;
    int64_t num_pieces;
    absl::FunctionRef<void(int64_t, int64_t)> body;
    std::atomic<int64_t> next_piece{0};
    std::atomic<int> num_workers_inside{0};  // Changed under mutex_ only.
    std::atomic<bool> has_failed{false};
    std::exception_ptr failure = nullptr;  // By the thread that set has_failed.
  };

  static void RunPieces(Loop& loop);
  static void RethrowFailure(Loop& loop);
  void RunWorker();

  std::mutex callers_mutex_;  // Held for the whole of a ParallelFor.
  std::mutex mutex_;
  std::condition_variable loop_changed_;  // loop_, generation_, stopping_.
  std::condition_variable worker_left_;
  // Both are changed under mutex_ only.
  std::atomic<Loop*> loop_{nullptr};
  std::atomic<uint64_t> generation_{0};
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace moe::base

#endif  // MOE_BASE_THREAD_POOL_H_
