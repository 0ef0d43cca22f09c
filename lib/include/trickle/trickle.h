// Everything but torch.h, which needs LibTorch.
#pragma once

#include "trickle/audio_frame.h"
#include "trickle/client.h"
#include "trickle/codec_options.h"
#include "trickle/connection_options.h"
#include "trickle/convert.h"
#include "trickle/decoder.h"
#include "trickle/encoder.h"
#include "trickle/frame.h"
#include "trickle/frame_processor.h"
#include "trickle/log.h"
#include "trickle/params.h"
#include "trickle/publisher.h"
#include "trickle/result.h"
#include "trickle/stream_info.h"
#include "trickle/subscriber.h"
#include "trickle/version.h"
