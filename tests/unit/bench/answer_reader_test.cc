#include "bench/answer_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace trickle::bench {
namespace {

struct Recorder {
  std::vector<AnswerHead> heads;
  std::vector<std::string> bodies;
  int ended = 0;
  void on_head(const AnswerHead& head) { heads.push_back(head), bodies.emplace_back(); }
  void on_body(std::span<const char> bytes) { bodies.back().append(bytes.data(), bytes.size()); }
  void on_end() { ++ended; }
};

constexpr std::string_view kAnswers =
    "HTTP/1.1 100 Continue\r\n\r\n"
    "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 12\r\nlp-trickle-latest: 13\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nTrailer: 1\r\n\r\n"
    "HTTP/1.1 470 Entry Not Found\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"
    "HTTP/1.1 200 OK\r\nLp-Trickle-Closed: terminated\r\nContent-Length: 0\r\n\r\n";

TEST(AnswerReader, ReadsAnswersHoweverTheyAreCut) {
  for (size_t step = 1; step <= kAnswers.size(); ++step) {
    AnswerReader reader;
    Recorder seen;
    for (size_t at = 0; at < kAnswers.size(); at += step) {
      ASSERT_TRUE(reader.feed(kAnswers.substr(at, step), seen));
    }
    ASSERT_EQ(seen.heads.size(), 3u);
    ASSERT_EQ(seen.ended, 3);
    EXPECT_EQ(seen.heads[0].segment, 12);
    EXPECT_EQ(seen.heads[0].latest, 13);
    EXPECT_TRUE(seen.heads[0].keeps_alive);
    EXPECT_EQ(seen.bodies[0], "hello0123456789abcdef");
    EXPECT_EQ(seen.heads[1].status, 470);
    EXPECT_FALSE(seen.heads[1].keeps_alive);
    EXPECT_EQ(seen.bodies[1], "no\n");
    EXPECT_TRUE(seen.heads[2].closed);
    EXPECT_FALSE(reader.in_body());
  }
}

TEST(AnswerReader, RefusesWhatIsNoHttp) {
  for (const char* text :
       {"SSH-2.0-x\r\n\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"}) {
    AnswerReader reader;
    Recorder seen;
    EXPECT_FALSE(reader.feed(text, seen)) << text;
  }
}

}  // namespace
}  // namespace trickle::bench
