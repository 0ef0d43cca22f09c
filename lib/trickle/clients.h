// Subscriber and Publisher with a clock of the caller's, for tests of what takes long.
#pragma once

#include <memory>

#include "io/clock.h"
#include "trickle/publisher.h"
#include "trickle/subscriber.h"

namespace trickle {

/// As Subscriber::open(). `clock` must outlive the subscriber; a jump of it is seen when something happens.
Result<std::unique_ptr<Subscriber>> open_subscriber(SubscriberOptions options, const Clock& clock);
/// As Publisher::open(). `clock` must outlive the publisher, be safe to read from its thread, and a jump of
/// it is seen when something happens (a call, an answer).
Result<std::unique_ptr<Publisher>> open_publisher(PublisherOptions options, const Clock& clock);

}  // namespace trickle
