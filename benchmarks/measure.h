// What the benchmarks share: times taken in turn, and their medians.

#ifndef BENCHMARKS_MEASURE_H_
#define BENCHMARKS_MEASURE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace moe::benchmarks {

// The middle value; of an even number of values, the upper of the middle two.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline double SecondsOf(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

// The times of several bodies, [body][round]. Each body runs once in every
// round. The order rotates by one in each round.
inline std::vector<std::vector<double>> TimeInTurn(
    int num_rounds, const std::vector<std::function<void()>>& bodies) {
  std::vector<std::vector<double>> seconds(bodies.size());
  for (int round = 0; round < num_rounds; ++round) {
    for (size_t i = 0; i < bodies.size(); ++i) {
      const size_t body = (i + static_cast<size_t>(round)) % bodies.size();
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      seconds[body].push_back(SecondsOf(bodies[body]));
    }
  }
  return seconds;
}

// The median over the rounds of a's time divided by b's.
inline double MedianRatio(const std::vector<double>& a,
                          const std::vector<double>& b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return Median(ratios);
}

}  // namespace moe::benchmarks

#endif  // BENCHMARKS_MEASURE_H_
