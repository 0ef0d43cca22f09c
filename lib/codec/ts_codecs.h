// What a transport stream's tables call a codec, in libavcodec's words.
#pragma once

#include "codec/av_types.h"
#include "media/ts_psi.h"

namespace trickle {

/// \return AV_CODEC_ID_NONE for what nobody here decodes.
[[nodiscard]] AVCodecID av_codec_of(ts::Codec codec);
/// All that the tables say about the stream.
[[nodiscard]] CodecParametersPtr parameters_of(const ts::ElementaryStream& stream);

}  // namespace trickle
