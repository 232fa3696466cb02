// The panel kinds by Grafana's names: what each loads, when that is nothing, how it is drawn.
import * as heatmap from "./heatmap.js";
import * as table from "./table.js";
import * as timeseries from "./timeseries.js";
import * as values from "./values.js";

export const KINDS = {
  timeseries,
  heatmap,
  table,
  stat: { load: values.loadStat, isEmpty: values.isEmpty, draw: values.drawStat },
  gauge: { load: values.loadInstant, isEmpty: values.isEmpty, draw: values.drawGauge },
  bargauge: { load: values.loadInstant, isEmpty: values.isEmpty, draw: values.drawBars },
};
