// What has gone wrong in relays: numbers, writers and readers that come, go and fail at the wrong time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "integration/relay_fixture.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RelayPitfalls : public testing::RelayTest {};
TRICKLE_WITH_ONE_AND_SEVERAL_THREADS(RelayPitfalls);

TEST_P(RelayPitfalls, PitfallLastBytesThatComeTogetherWithTheEndArrive) {
  ask("POST /cam");
  for (int i = 0; i < 50; ++i) {
    const std::string path = cam(i);
    auto reader = open_get(path);
    wait_for_readers(1);
    auto writer = open_post(path);
    writer->send(chunk("begin"));
    ASSERT_TRUE(reader->wait_for("begin"));
    writer->send(chunk("last") + std::string(kEnd));
    ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
    EXPECT_EQ(dechunk(body_of(reader->take())), "beginlast");
  }
}

TEST_P(RelayPitfalls, PitfallPreconnectsAndReadersAreReleasedWhenTheChannelCloses) {
  post("/cam/0", "x");
  auto writer = open_post("/cam/1");
  wait_for_writer(1);
  auto reader = open_get("/cam/1");
  wait_for_readers(1);
  ask("DELETE /cam");
  EXPECT_THAT(writer->read_to_end(),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 1\r\n"),
                    HasSubstr("Lp-Trickle-Closed: terminated\r\n"), HasSubstr("Connection: close\r\n")));
  EXPECT_THAT(reader->read_answer(),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Closed: terminated\r\n")));
}

TEST_P(RelayPitfalls, PitfallAPostThatSurvivesItsChannelIsToldSo) {
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  wait_until("/_channels", "\"bytes\":3");
  ask("DELETE /cam");
  EXPECT_THAT(writer->read_to_end(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
}

TEST_P(RelayPitfalls, PitfallALatePreconnectDoesNotBringTheChannelBack) {
  post("/cam/0", "x");
  ask("DELETE /cam");
  auto late = open_post("/cam/1");
  EXPECT_THAT(late->read_to_end(), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Connection: close\r\n")));
  EXPECT_THAT(ask("GET /cam/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayPitfalls, WhoComesAfterTheEndOfAChannelIsToldSoAndHowFarItWent) {
  for (int i = 0; i < 3; ++i) post(cam(i), "x");
  ask("DELETE /cam");
  EXPECT_THAT(ask("GET /cam/1"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Lp-Trickle-Closed: terminated\r\n"),
                    HasSubstr("Lp-Trickle-Latest: 3\r\n")));
}

TEST_P(RelayPitfalls, PitfallOddNumbersAreRefusedAndTheChannelLivesOn) {
  post("/cam/0", "x");
  for (const std::string odd :
       {"0x1", "", "9223372036854775807", "-9223372036854775808", "1.5", "abc", "%20", "+1"}) {
    for (const std::string method : {"GET", "POST", "DELETE"}) {
      EXPECT_THAT(ask(method + " /cam/" + odd),
                  AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Invalid idx\n")))
          << method << " " << odd;
    }
  }
  EXPECT_THAT(ask("POST /cam/-2"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("DELETE /cam/-1"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET /cam/-7"), StartsWith("HTTP/1.1 470 "));
  EXPECT_THAT(ask("POST /cam/next"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "x");
  EXPECT_THAT(ask("POST /new/0x1"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET /new/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayPitfalls, PitfallItNoticesThatAReaderLeft) {
  ask("POST /cam");
  {
    auto waiting = open_get("/cam/0");
    wait_for_readers(1);
  }
  wait_for_readers(0);
  auto writer = open_post("/cam/0");
  writer->send(chunk("x"));
  {
    auto reading = open_get("/cam/0");
    ASSERT_TRUE(reading->wait_for("1\r\nx\r\n"));
    wait_for_readers(1);
  }
  wait_for_readers(0);
}

TEST_P(RelayPitfalls, AVanishedPublishersSegmentGoesOnWhereItBroke) {
  ask("POST /cam");
  auto first = open_post("/cam/0");
  first->send(chunk("abc"));
  auto reader = open_get("/cam/0");
  wait_until("/_channels", "\"bytes\":3");
  first->close();
  wait_until("/_channels", "\"state\":\"open\",\"bytes\":3,\"writer\":false");
  auto second = open_post("/cam/0");
  second->send(chunk("def") + std::string(kEnd));
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "abcdef");
}

TEST_P(RelayPitfalls, AnOlderWriterIsToldThatANewerTookOver) {
  auto older = open_post("/cam/0");
  older->send(chunk("old"));
  wait_until("/_channels", "\"bytes\":3");
  auto newer = open_post("/cam/0");
  EXPECT_THAT(older->read_to_end(), AllOf(StartsWith("HTTP/1.1 409 "), HasSubstr("Connection: close\r\n")));
  newer->send(chunk("new") + std::string(kEnd));
  EXPECT_THAT(newer->read_answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "oldnew");
}

TEST_P(RelayPitfalls, ACompletePostIsNotReadAgain) {
  post("/cam/0", "once");
  auto again = open_post("/cam/0");
  EXPECT_THAT(again->read_to_end(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 0\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "once");
  EXPECT_THAT(ask("GET /_health"), HasSubstr("\"late_posts\":1"));
}

TEST_P(RelayPitfalls, ResetReleasesReadersOfOlderSegments) {
  ask("POST /cam");
  auto dead = open_post("/cam/0");
  dead->send(chunk("dead"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("dead"));
  post("/cam/1", "");
  auto fresh = open_post("/cam/1", "Lp-Trickle-Reset: 1\r\n");
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "dead");
}

TEST_P(RelayPitfalls, ASegmentOverItsCapIsRefusedAndKeepsWhatItHas) {
  RelayOptions options;
  options.max_segment_bytes = 1000;
  start(options);
  auto writer = open_post("/cam/0");
  writer->send(chunk(std::string(1000, 'a')));
  wait_until("/_channels", "\"bytes\":1000");
  writer->send(chunk("one too many"));
  EXPECT_THAT(writer->read_to_end(), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), std::string(1000, 'a'));
}

TEST_P(RelayPitfalls, AnEvictedReaderIsCutOffWithoutTheEndMark) {
  ask("POST /cam");
  auto writer = open_post("/cam/0");
  writer->send(chunk("part"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("part"));
  for (int i = 1; i < 7; ++i) post(cam(i), "x");
  EXPECT_EQ(dechunk(body_of(reader->read_to_end())), "(not whole)");
  EXPECT_THAT(ask("GET /_metrics"), HasSubstr("\ntrickle_relay_cut_off_readers_total 1\n"));
  EXPECT_THAT(ask("GET /cam/0"), AllOf(StartsWith("HTTP/1.1 470 "), HasSubstr("Lp-Trickle-Latest: 7\r\n")));
}

TEST_P(RelayPitfalls, PitfallAStalledReaderHoldsNobodyUpAndIsCutOff) {
  ask("POST /cam");
  auto writer = open_post("/cam/0");
  const std::string megabyte(1 << 20, 'm');
  writer->send(chunk("x"));
  auto stalled = open_get("/cam/0");
  ASSERT_TRUE(stalled->wait_for("\r\nx\r\n"));
  auto quick = open_get("/cam/0");
  for (int i = 0; i < 20; ++i) writer->send(chunk(megabyte));
  writer->send(kEnd);
  ASSERT_TRUE(quick->wait_for("\r\n0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(quick->take())).size(), 1 + 20 * megabyte.size());
  EXPECT_THAT(writer->read_answer(), StartsWith("HTTP/1.1 200 "));
  for (int i = 1; i < 7; ++i) post(cam(i), "x");
  EXPECT_EQ(dechunk(body_of(stalled->read_to_end())), "(not whole)");
  EXPECT_THAT(ask("GET /_metrics"), HasSubstr("\ntrickle_relay_cut_off_readers_total 1\n"));
  wait_for_readers(0);
}

TEST_P(RelayPitfalls, EndsIdleChannels) {
  RelayOptions options;
  options.idle_timeout = 100ms;
  start(options);
  ask("POST /cam");
  auto reader = open_get("/cam/0");
  EXPECT_THAT(reader->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  EXPECT_THAT(ask("GET /cam/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayPitfalls, ShutdownTellsReadersAndLetsAWriterEnd) {
  RelayOptions options;
  options.changefeed = true;
  start(options);
  ask("POST /cam");
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("abc"));
  auto waiting = open_get("/cam/1");
  auto feed = open_get("/_changes/1");
  wait_for_readers(3);
  std::promise<void> done;
  relay_->post([&] { relay_->server().shutdown(20s, 2s, [&] { done.set_value(); }); });
  EXPECT_THAT(waiting->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  ASSERT_TRUE(feed->wait_for("{\"removed\":[\"cam\"]}"));
  writer->send(chunk("def") + std::string(kEnd));
  EXPECT_THAT(writer->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "abcdef");
  for (auto* client : {&writer, &reader, &waiting, &feed}) client->reset();
  EXPECT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
}

TEST_P(RelayPitfalls, ShutdownWaitsNoLongerThanItsDrainTime) {
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  wait_until("/_channels", "\"bytes\":3");
  std::promise<void> done;
  relay_->post([&] { relay_->server().shutdown(50ms, 2s, [&] { done.set_value(); }); });
  EXPECT_THAT(writer->read_to_end(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  writer.reset();
  EXPECT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
}

}  // namespace
}  // namespace trickle
