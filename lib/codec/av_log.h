// Sends what libav* would print itself through our log.
#pragma once

namespace trickle {

/// Installs the log callback, once for the process; later calls change nothing. Its messages appear at level
/// debug: what matters to a user is reported, and counted, by our own code.
void route_av_log();

}  // namespace trickle
