package assay.report;

/** How the page looks, in light, in dark and on paper. */
final class ReportStyle {
  static final String CSS =
      """
      :root{color-scheme:light dark;--text:#1b1f24;--back:#fff;--line:#d0d7de;--soft:#57606a;
        --predicted:#8c6bb1;--measured:#1f7a8c;--warn:#9a3412}
      @media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--line:#30363d;
        --soft:#9da7b1;--predicted:#b79ae0;--measured:#4fb3c6;--warn:#fdba74}}
      body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}
      main{max-width:1200px;margin:0 auto;padding:1rem}
      h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
      .note{color:var(--soft);max-width:75ch}.warn{color:var(--warn)}
      .scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem}
      th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;
        white-space:nowrap;font-variant-numeric:tabular-nums}
      th:first-child,td:nth-child(2){text-align:left}tbody th{font-weight:normal}
      .bars{width:12rem;height:1rem;display:block}
      .predicted{fill:var(--predicted)}.measured{fill:var(--measured)}
      .plot{max-width:100%;height:auto}.plot text{fill:var(--text);font:12px system-ui,sans-serif}
      .plot .axis{stroke:var(--soft);fill:none}.plot .grid{stroke:var(--line)}
      .plot .roof{stroke:var(--soft);stroke-width:1.5;fill:none}
      .plot .prefill{fill:var(--measured)}.plot .decode{fill:var(--predicted)}
      @media print{:root{--back:#fff;--text:#000}}
      """;

  private ReportStyle() {}
}
