// A table of flow records. Only what all records have is shown; the rest is in the export.

import { hostLink, protocol } from "../flows.js";
import { exactly, table } from "../parts.js";
import { bytes, number, t } from "../words.js";

const source = (flow) => flow.sourceIPv4Address || flow.sourceIPv6Address || "–";
const destination = (flow) => flow.destinationIPv4Address || flow.destinationIPv6Address || "–";
const withPort = (address, port) => [hostLink(address), port === undefined ? "" : ` : ${port}`];

export function flowTable(flows) {
  return table(t("flows"), [
    { title: t("time"), kind: "fit", cell: (flow) => exactly(flow.flowStartMilliseconds) },
    { title: t("source"), cell: (flow) => withPort(source(flow), flow.sourceTransportPort) },
    { title: t("destination"), cell: (flow) => withPort(destination(flow), flow.destinationTransportPort) },
    { title: t("protocol"), kind: "fit", cell: (flow) => protocol(flow.protocolIdentifier) },
    { title: t("octets"), kind: "figure", cell: (flow) => bytes(flow.octetDeltaCount || 0) },
    { title: t("packets"), kind: "figure", cell: (flow) => number(flow.packetDeltaCount || 0) },
    {
      title: t("duration"), kind: "figure",
      cell: (flow) => `${number((flow.flowEndMilliseconds - flow.flowStartMilliseconds) / 1_000 || 0, 1)} s`
    },
  ], flows);
}
