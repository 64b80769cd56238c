#include "moe/base/mutation_gate.h"

#include <unistd.h>

#include <chrono>
#include <future>
#include <thread>

#include "gtest/gtest.h"

namespace moe::base {
namespace {

TEST(MutationGateTest, SectionsOfOneThreadAreNestedAndThoseOfTwoAreTogether) {
  const MutationSection outer;
  const MutationSection inner;
  std::thread([] { const MutationSection other; }).join();
}

// In a process of its own: nothing opens the gate again.
TEST(MutationGateTest, ShutForGoodWaitsForSectionsAndLetsNoOtherThreadIn) {
  EXPECT_EXIT(
      {
        std::promise<void> entered;
        std::promise<void> leave;
        bool left = false;
        std::thread inside([&] {
          const MutationSection section;
          entered.set_value();
          leave.get_future().wait();
          left = true;
        });
        entered.get_future().wait();
        std::thread shutter([&] {
          leave.set_value();
          ShutMutationGateForGood();
          if (!left) ::_exit(1);
          const MutationSection own;  // The one that shut it passes.
          std::thread late([] {
            const MutationSection section;
            ::_exit(2);
          });
          late.detach();
          // Gives the late one every chance; it must not get through.
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
          ::_exit(0);
        });
        shutter.join();
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace moe::base
