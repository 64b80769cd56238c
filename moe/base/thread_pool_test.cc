#include "moe/base/thread_pool.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/float_environment.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::Ge;
using ::testing::HasSubstr;

std::set<std::pair<int64_t, int64_t>> Pieces(ThreadPool& pool, int64_t begin,
                                             int64_t end, int64_t grain) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> pieces;
  pool.ParallelFor(begin, end, grain, [&](int64_t b, int64_t e) {
    std::lock_guard<std::mutex> lock(mutex);
    EXPECT_TRUE(pieces.emplace(b, e).second) << b << " came twice";
  });
  return pieces;
}

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, CutsTheSameOnAnyNumberOfThreads) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.num_threads(), GetParam());
  using Set = std::set<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(Pieces(pool, 0, 10, 4), (Set{{0, 4}, {4, 8}, {8, 10}}));
  EXPECT_EQ(Pieces(pool, -3, 3, 3), (Set{{-3, 0}, {0, 3}}));
  EXPECT_EQ(Pieces(pool, 5, 6, 100), (Set{{5, 6}}));
  EXPECT_EQ(Pieces(pool, 5, 5, 1), Set{});
  EXPECT_EQ(Pieces(pool, 6, 5, 1), Set{});
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Pieces(pool, kMax - 5, kMax, 4),
            (Set{{kMax - 5, kMax - 1}, {kMax - 1, kMax}}));
}

TEST_P(ThreadPoolTest, EveryIndexOnceOverManyLoops) {
  ThreadPool pool(GetParam());
  std::vector<int> counts(1000, 0);
  for (int loop = 0; loop < 500; ++loop) {
    pool.ParallelFor(0, 1000, 7, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) ++counts[static_cast<size_t>(i)];
    });
  }
  for (const int count : counts) EXPECT_EQ(count, 500);
}

TEST_P(ThreadPoolTest, ALoopWithinALoopRunsInPlace) {
  ThreadPool pool(GetParam());
  std::atomic<int> count{0};
  pool.ParallelFor(0, 8, 1, [&](int64_t, int64_t) {
    for (int twice = 0; twice < 2; ++twice) {
      const std::thread::id self = std::this_thread::get_id();
      pool.ParallelFor(0, 5, 1, [&](int64_t, int64_t) {
        EXPECT_EQ(std::this_thread::get_id(), self);
        ++count;
      });
    }
  });
  EXPECT_EQ(count, 80);  // 8 * 2 * 5
}

TEST_P(ThreadPoolTest, SeveralCallersTakeTurns) {
  ThreadPool pool(GetParam());
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int loop = 0; loop < 50; ++loop) {
        pool.ParallelFor(0, 20, 1, [&](int64_t, int64_t) { ++count; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(count, 4000);  // 4 * 50 * 20
}

TEST_P(ThreadPoolTest, EveryThreadHasTheFloatEnvironment) {
  // A new thread inherits the modes of the one that starts it.
  std::fesetround(FE_UPWARD);
  ThreadPool pool(GetParam());
  pool.ParallelFor(0, 100, 1, [&](int64_t, int64_t) {
    MOE_EXPECT_OK(CheckFloatEnvironment("piece"));
  });
  SetFloatEnvironment();
}

INSTANTIATE_TEST_SUITE_P(NumThreads, ThreadPoolTest,
                         ::testing::Values(1, 2, 3, 7));

class NumThreadsFromEnvironmentTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("MOE_NUM_THREADS"); }
};

TEST_F(NumThreadsFromEnvironmentTest, TakesTheVariableOrTheProcessors) {
  ::unsetenv("MOE_NUM_THREADS");
  EXPECT_THAT(NumThreadsFromEnvironment(), IsOkAndHolds(Ge(1)));
  ::setenv("MOE_NUM_THREADS", "3", 1);
  EXPECT_THAT(NumThreadsFromEnvironment(), IsOkAndHolds(3));
}

TEST_F(NumThreadsFromEnvironmentTest, RefusesWhatIsNoNumberOfThreads) {
  for (const char* text : {"0", "-1", "1025", "two", "1.5"}) {
    ::setenv("MOE_NUM_THREADS", text, 1);
    EXPECT_THAT(
        NumThreadsFromEnvironment(),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat("1024, found \"", text, "\""))));
  }
}

TEST(ThreadPoolTest, ThrowsToTheCallerWhatABodyThrows) {
  for (const int num_threads : {1, 3}) {
    ThreadPool pool(num_threads);
    const auto throwing = [](int64_t begin, int64_t) {
      if (begin == 5) throw std::bad_alloc();
    };
    EXPECT_THROW(pool.ParallelFor(0, 100, 1, throwing), std::bad_alloc);
    EXPECT_THROW(pool.ParallelFor(0, 2, 1,
                                  [&](int64_t, int64_t) {
                                    pool.ParallelFor(0, 100, 1, throwing);
                                  }),
                 std::bad_alloc);
    // And works on.
    std::atomic<int> calls{0};
    pool.ParallelFor(0, 100, 1, [&](int64_t, int64_t) { ++calls; });
    EXPECT_EQ(calls, 100);
  }
}

// In a process of its own, whose threads are counted together with all others
// of the user; root has no such limit.
TEST(ThreadPoolTest, StartsWithTheThreadsThatItGets) {
  EXPECT_EXIT(
      {
        if (::geteuid() == 0 && ::setuid(54321) != 0) ::_exit(0);
        rlimit none;
        none.rlim_cur = 0;
        none.rlim_max = 0;
        if (::setrlimit(RLIMIT_NPROC, &none) != 0) ::_exit(1);
        ThreadPool pool(8);
        std::atomic<int> calls{0};
        pool.ParallelFor(0, 100, 1, [&](int64_t, int64_t) { ++calls; });
        ::_exit(calls == 100 && pool.num_threads() == 1 ? 0 : 2);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace moe::base
