'use strict';
(() => {
  const rows = A.data('rows'), comparisons = A.data('comparisons'), heldOut = A.data('held-out');
  const $ = id => document.getElementById(id);
  const PRECISIONS = ['fp32', 'tf32', 'fp16', 'bf16', 'fp8', 'int8', 'int4'];
  const precisions = PRECISIONS.filter(p => rows.some(r => r.precision === p));
  const color = r => A.color(PRECISIONS.indexOf(r.precision));
  const distinct = f => [...new Set(rows.map(f))];
  const machines = distinct(r => r.machine), models = distinct(r => r.model.name);
  const shape = r => machines.length > 1 ? machines.indexOf(r.machine) : models.indexOf(r.model.name);
  const label = r => `row ${r.row}: ${r.name}` + (machines.length > 1 ? `, ${r.machine}` : '');
  let shown = rows;

  const precisionKeys = () => precisions.filter(p => shown.some(r => r.precision === p)).map(p => ({ label: p, color: A.color(PRECISIONS.indexOf(p)) }));
  const shapeKeys = () => (machines.length > 1 ? machines : models.length > 1 ? models : []).map((m, i) => ({ label: m, color: 'var(--soft)', shape: i }));
  const empty = (figure, text) => A.fill(figure, A.el('p', { class: 'empty' }, text));

  // ---- memory: pairs of stacked bars

  const KINDS = [['weights', 'weights', 0], ['kv_cache', 'KV cache', 1], ['activations', 'activations', 3], ['workspace', 'workspace', 6], ['overhead', 'overhead', 4]];
  const MOST_BARS = 16;

  function memoryBars() {
    const figure = $('memory-bars');
    if (!figure) return;
    const list = shown.filter(r => r.measured && r.measured.total_bytes && r.estimate);
    if (!list.length) return empty(figure, 'No bytes were measured in these rows.');
    // What differs first; else some of every part of the list.
    const off = r => Math.abs(r.measured.total_bytes - r.estimate.total_bytes), every = list.length / MOST_BARS;
    const some = list.length <= MOST_BARS ? list : list.some(off) ? d3.sort(list, r => -off(r)).slice(0, MOST_BARS) : d3.range(MOST_BARS).map(i => list[Math.floor(i * every)]);
    const W = Math.max(320, Math.min(figure.clientWidth || 900, 1100)), narrow = W < 560;
    const L = narrow ? 6 : 235, step = narrow ? 60 : 44, H = some.length * step + 30;
    const right = narrow ? 6 : 230;
    const x = d3.scaleLinear([0, 1], [L, W - right]);
    const svg = d3.create('svg').attr('class', 'plot').attr('viewBox', `0 0 ${W} ${H}`).attr('width', W).attr('height', H).attr('role', 'group').attr('aria-label', 'Bytes by category, predicted above measured');
    for (const t of [0, .25, .5, .75, 1]) {
      svg.append('line').attr('class', 'grid').attr('x1', x(t)).attr('x2', x(t)).attr('y1', 0).attr('y2', H - 22);
      svg.append('text').attr('x', x(t)).attr('y', H - 7).attr('text-anchor', t === 0 ? 'start' : t === 1 ? 'end' : 'middle').text(A.percent(t));
    }
    some.forEach((r, i) => {
      const y = i * step + (narrow ? 20 : 8);
      const name = `${r.model.name} ${r.precision}, b ${r.workload.batch}, ${r.workload.prompt_tokens} + ${r.workload.generated_tokens}`;
      const t = svg.append('text').attr('x', narrow ? L : L - 8).attr('y', narrow ? y - 5 : y + 16).attr('text-anchor', narrow ? 'start' : 'end').text(fitText(name, narrow ? (residual(r) === 'exact' ? 30 : 14) : 34));
      t.append('title').text(label(r));
      const parts = [], most = Math.max(r.measured.total_bytes, r.estimate.total_bytes);
      [['estimate', 'predicted', y, .72], ['measured', 'measured', y + 13, 1]].forEach(([key, word, top, opacity]) => {
        let at = 0;
        for (const [k, n, c] of KINDS) {
          const v = r[key][k + '_bytes'] || 0;
          svg.append('rect').attr('x', x(at / most)).attr('y', top).attr('width', Math.max(0, x((at + v) / most) - x(at / most))).attr('height', 11).style('fill', A.color(c)).attr('opacity', opacity)
            .append('title').text(`${word} ${n}: ${A.bytes(v)}`);
          if (v) parts.push(`${word} ${n} ${A.bytes(v)}`);
          at += v;
        }
      });
      const d = residual(r);
      const note = svg.append('text').attr('x', narrow ? W - 6 : W - right + 8).attr('y', narrow ? y - 5 : y + 16).attr('text-anchor', narrow ? 'end' : 'start').text(A.bytes(r.measured.total_bytes) + ', ' + d);
      if (d !== 'exact') note.style('fill', 'var(--residual)');
      svg.append('rect').attr('x', L).attr('y', y - 2).attr('width', W - L - right).attr('height', 28).attr('fill', 'transparent').attr('tabindex', -1).attr('role', 'img').attr('aria-label', `${label(r)}: ${parts.join(', ')}; ${d}`).attr('class', 'hit')
        .on('pointerenter focus', e => A.tip(e.currentTarget, label(r) + '\n' + parts.join('\n') + '\n' + d)).on('pointerleave blur', () => A.tip());
    });
    A.roving(svg.node(), '.hit');
    const keys = A.el('div', { class: 'legend' }, ...KINDS.map(([, n, c]) => { const k = A.el('span', { class: 'key' }); const s = A.el('span', { class: 'swatch', 'aria-hidden': 'true' }); s.style.cssText = `display:inline-block;width:.8em;height:.8em;background:${A.color(c)}`; k.append(s, ' ' + n); return k; }));
    A.fill(figure, keys, svg.node(), A.el('figcaption', null, `Upper bar predicted, lower measured, each pair as a share of its own total; at the end the bytes measured, and what is left over by the category that differs most.` + (list.length > MOST_BARS ? ` ${MOST_BARS} of ${list.length} rows, ${list.some(off) ? 'those that differ most' : 'from every part of the list'}: filter for others.` : '')));
  }
  function residual(r) {
    let most = 0, name = '';
    for (const [k, n] of KINDS) {
      const p = r.estimate[k + '_bytes'], m = r.measured[k + '_bytes'];
      if (p != null && m != null && Math.abs(m - p) > Math.abs(most)) { most = m - p; name = n; }
    }
    const total = r.measured.total_bytes - r.estimate.total_bytes;
    return most === 0 && total === 0 ? 'exact' : `residual ${total > 0 ? '+' : total < 0 ? '−' : ''}${A.bytes(Math.abs(total))}` + (name ? `: ${name}` : '');
  }
  const fitText = (s, n) => s.length > n ? s.slice(0, n - 1) + '…' : s;

  // ---- time: predicted over measured

  // Mean error by precision and phase, before and after a calibration.
  function timeBars() {
    const figure = $('time-bars');
    if (!figure) return;
    figure.className = 'wide';
    const groups = [];
    for (const p of precisions)
      for (const [phase, key] of [['prefill', 'prefill_seconds'], ['decode', 'decode_seconds_per_token']]) {
        const bars = [];
        for (const [which, word, color] of [['estimate', 'before calibration', 'var(--predicted)'], ['calibrated', 'after calibration', 'var(--measured)']]) {
          const off = shown.filter(r => r.precision === p && r.measured && r.measured[key] && r[which] && r[which][key]).map(r => Math.abs(r[which][key] / r.measured[key].median - 1));
          if (off.length) bars.push({ v: d3.mean(off), color, label: `${p} ${phase}, ${word}: ${A.percent(d3.mean(off))} off in the mean of ${off.length} rows` });
        }
        if (bars.length) groups.push({ name: `${p} ${phase}`, bars });
      }
    if (!groups.length) return empty(figure, 'No time was both predicted and measured.');
    const both = groups.some(g => g.bars.length > 1);
    A.bars(figure, { title: 'Mean of |predicted / measured − 1|' + (both ? ', before calibration (default constants) and after; the dashed line is 5 %' : '; the dashed line is 5 %'), groups, format: A.percent, rule: { v: .05 },
      legend: both ? [{ label: 'before calibration', color: 'var(--predicted)' }, { label: 'after', color: 'var(--measured)' }] : [] });
  }

  function errors(id, key, phase) {
    const figure = $(id);
    if (!figure) return;
    const points = [];
    for (const r of shown) {
      const m = r.measured && r.measured[key];
      if (!m) continue;
      for (const [which, hollow] of [['estimate', true], ['calibrated', false]]) {
        const p = r[which] && r[which][key];
        if (p) points.push({ x: m.median, y: p / m.median, color: color(r), shape: shape(r), hollow: hollow && !r.estimate.calibration, href: 'row-' + r.row, label: `${label(r)}\n${phase}: predicted ${A.seconds(p)}${hollow ? '' : ', calibrated'}, measured ${A.seconds(m.median)}` });
      }
    }
    if (!points.length) return empty(figure, `No ${phase} time was both predicted and measured.`);
    A.plot(figure, { title: `${phase}: predicted over measured time`, points, height: 300,
      x: { log: true, label: 'measured', format: A.seconds }, y: { log: true, label: 'predicted / measured', format: v => A.digits(v), min: Math.min(.5, d3.min(points, p => p.y)), max: Math.max(2, d3.max(points, p => p.y)) },
      rules: [{ y: 1, color: 'var(--soft)' }], legend: [...precisionKeys(), ...shapeKeys(), ...(points.some(p => !p.hollow) ? [{ label: 'default constants', color: 'var(--soft)', hollow: true }, { label: 'calibrated', color: 'var(--soft)' }] : [])] });
  }

  // ---- roofline

  function roofline() {
    const figure = $('roofline-plot');
    if (!figure) return;
    const points = [], roofs = new Map();
    for (const r of shown) {
      const m = r.measured, c = r.ceilings;
      if (!m || !c) continue;
      const add = (phase, flops, bytes, rate) => {
        if (flops && bytes && rate) points.push({ x: flops / bytes, y: rate, color: color(r), shape: shape(r), hollow: phase === 'decode', href: 'row-' + r.row, label: `${label(r)}\n${phase}: ${A.quantity(rate, 'FLOP/s')} at ${A.digits(flops / bytes)} FLOP a byte` });
      };
      add('prefill', m.prefill_flops, m.prefill_bytes_read, m.prefill_flops_per_second);
      add('decode', m.decode_flops_per_token * r.workload.batch, m.decode_bytes_read_per_pass, m.decode_flops_per_second);
      const bandwidth = c.copy_bytes_per_second || c.bandwidth_bytes_per_second;
      if (c.peak_flops_per_second && bandwidth) {
        const k = r.machine + '|' + r.precision, old = roofs.get(k) || { r, peak: 0, bandwidth: 0 };
        roofs.set(k, { r, peak: Math.max(old.peak, c.peak_flops_per_second), bandwidth: Math.max(old.bandwidth, bandwidth) });
      }
    }
    if (!points.length) return empty(figure, 'Nothing measured to plot.');
    const all = [...roofs.values()], lo = d3.min(points, p => p.x) / 2;
    const hi = Math.max(d3.max(points, p => p.x), ...all.map(f => f.peak / f.bandwidth)) * 2;
    const lines = all.map(f => ({ points: [[lo, lo * f.bandwidth], [f.peak / f.bandwidth, f.peak], [hi, f.peak]], color: color(f.r), width: 1.6, dash: machines.length > 1 && machines.indexOf(f.r.machine) ? '6 3' : null }));
    A.plot(figure, { title: 'Roofline: filled marks are prefills, hollow ones decodes; lines are the ceilings measured in the same run', points, lines, height: 440,
      x: { log: true, label: 'FLOPs per byte of weights and KV cache' }, y: { log: true, label: 'FLOP/s', format: v => A.quantity(v, '') },
      legend: [...precisionKeys(), ...shapeKeys(), { label: 'prefill', color: 'var(--soft)' }, { label: 'decode', color: 'var(--soft)', hollow: true },
        ...machines.map((m, i) => [all.find(f => f.r.machine === m), m, i]).filter(([f]) => f).map(([f, m, i]) => ({ label: (machines.length > 1 ? m + ': ' : '') + A.quantity(f.bandwidth, 'B/s'), line: true, color: 'var(--soft)', dash: i ? '6 3' : null }))] });
  }

  // ---- utilisation

  function utilisation() {
    const figure = $('utilisation-plot');
    if (!figure) return;
    const list = precisions.filter(p => shown.some(r => r.precision === p)), points = [];
    const MARKS = [['prefill_mfu', 'prefill, MFU', -.22, false, 0], ['decode_mfu', 'decode, MFU', 0, true, 1], ['decode_mbu', 'decode, MBU', .22, true, 2]];
    // Beside one another where there are many.
    const wide = Math.min(.16, shown.length / 900), aside = i => wide * ((i * 7 % 11) / 10 - .5);
    for (const [i, r] of shown.entries())
      for (const [key, word, dx, hollow, s] of MARKS) {
        const v = r.utilization && r.utilization[key];
        if (v != null) points.push({ x: list.indexOf(r.precision) + dx + aside(i), y: v, color: color(r), shape: s, hollow, href: 'row-' + r.row, label: `${label(r)}\n${word}: ${v.toFixed(3)}` });
      }
    if (!points.length) return empty(figure, 'No utilisation was measured.');
    A.plot(figure, { title: 'Share of the ceiling that was reached, by precision', points, height: 320,
      x: { label: 'precision', min: -.5, max: list.length - .5, exact: true, values: list.map((_, i) => i), format: i => list[i] }, y: { label: 'share of the ceiling', min: 0, format: v => v.toFixed(1) },
      band: { y0: .3, y1: .55, label: 'rule 0.30–0.55' }, rules: [{ y: 1, label: 'ceiling', color: 'var(--soft)' }],
      legend: MARKS.map(([, label, , hollow, s]) => ({ label, color: 'var(--soft)', hollow, shape: s })) });
  }

  // ---- speed

  function speed(id, phase, along, x, rate, time, tokens) {
    const figure = $(id);
    if (!figure) return;
    const list = shown.filter(r => r.measured && r.measured[rate]);
    if (!list.length) return empty(figure, `No ${phase} was measured in these rows.`);
    const points = list.map(r => {
      const t = r.measured[time];
      return { x: x(r), y: r.measured[rate], low: t && tokens(r) / t.max, high: t && tokens(r) / t.min, color: color(r), shape: shape(r), href: 'row-' + r.row, label: `${label(r)}\n${phase}: ${A.digits(r.measured[rate])} tokens/s` + (t ? `, ${A.seconds(t.min)} to ${A.seconds(t.max)} in ${t.runs} runs` : ''), r };
    });
    // One line for each series in which only what lies along the axis changes.
    const others = r => along === 'batch' ? r.workload.prompt_tokens : r.workload.batch;
    const lines = [...d3.group(points, p => [p.r.machine, p.r.model.name, p.r.precision, others(p.r)].join('|')).values()].filter(g => g.length > 1)
      .map(g => ({ points: d3.sort(g, p => p.x).map(p => [p.x, p.y]), color: g[0].color, width: 1.5 }));
    const title = `${phase} over ${along}` + (lines.length ? '' : '; no two rows differ in it alone'), y = { log: true, label: 'tokens/s', format: v => A.quantity(v, '') };
    if (new Set(points.map(p => p.x)).size === 1) {
      // Nothing lies along the axis: precisions do instead.
      const there = precisions.filter(q => list.some(r => r.precision === q)), only = points[0].x;
      points.forEach(p => { p.x = there.indexOf(p.r.precision); });
      A.plot(figure, { title: `${phase} by precision; these rows have the one ${along} ${only} only`, points, height: 300, y, legend: shapeKeys(),
        x: { label: 'precision', min: -.5, max: there.length - .5, exact: true, values: there.map((_, i) => i), format: i => there[i] } });
      return;
    }
    A.plot(figure, { title, points, lines, height: 300, y, legend: [...precisionKeys(), ...shapeKeys()],
      x: { log: true, label: along + (along === 'batch' ? ', sequences' : ', tokens'), values: [...new Set(points.map(p => p.x))].sort((a, b) => a - b).filter((v, i, all) => i === 0 || v / all[i - 1] > 1.12) } });
  }

  // ---- precisions compared

  function quality() {
    const figure = $('quality-plot');
    if (!figure) return;
    const names = [...new Set(comparisons.map(c => c.model))], variants = [...new Set(comparisons.map(c => c.variant.split(' ')[0]))];
    const some = comparisons.filter(c => c.kl_mean_nats > 0);
    if (!some.length) return empty(figure, 'Nothing differs from the reference.');
    A.plot(figure, { title: 'Error over bytes: farther left is smaller, lower is closer to the reference', height: 380, right: 90,
      points: some.map(c => ({ x: c.weights_bytes, y: c.kl_mean_nats, color: A.color(variants.indexOf(c.variant.split(' ')[0])), shape: names.indexOf(c.model), name: c.variant, size: 90, label: `${c.model} ${c.variant}: KL ${c.kl_mean_nats.toPrecision(3)} nats, ${A.bytes(c.weights_bytes)}, top-1 agreement ${A.percent(c.top1_agreement)}` })),
      x: { log: true, label: 'bytes of weights', format: A.bytes }, y: { log: true, label: 'KL divergence, nats a token', format: v => v < .001 ? v.toExponential(0) : A.digits(v) },
      legend: names.length > 1 ? names.map((m, i) => ({ label: m, color: 'var(--soft)', shape: i })) : [] });
  }

  function calibration() {
    const figure = $('calibration-plot');
    if (!figure || !heldOut.length) return;
    const list = heldOut.filter(e => e.after != null);
    A.bars(figure, { title: 'Mean absolute error on shapes outside the fit, before and after it; the dashed line is 5 %', format: A.percent, rule: { v: .05 },
      groups: list.map(e => ({ name: `${e.precision} ${e.component}`, bars: [['before', 'var(--predicted)'], ['after', 'var(--measured)']].filter(([k]) => e[k] != null).map(([k, color]) => ({ v: e[k], color, label: `${e.precision} ${e.component} ${k}: ${A.percent(e[k])} in ${e.rows} rows of ${e.shapes} shapes` })) })),
      legend: [{ label: 'before', color: 'var(--predicted)' }, { label: 'after', color: 'var(--measured)' }] });
  }

  // ---- tables: sort and filter

  document.querySelectorAll('table.sorts').forEach(table => {
    table.querySelectorAll('thead th').forEach((th, column) => th.querySelector('button').addEventListener('click', () => {
      const down = th.getAttribute('aria-sort') === 'ascending';
      table.querySelectorAll('thead th').forEach(h => h.setAttribute('aria-sort', 'none'));
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const key = tr => { const c = tr.cells[column]; return c.dataset.v != null ? Number(c.dataset.v) : c.textContent; };
      const body = table.tBodies[0], sign = down ? -1 : 1;
      // Numbers before words, what is missing last.
      const order = (a, b) => {
        const p = key(a), q = key(b);
        if (p === '–' || q === '–') return p === q ? 0 : p === '–' ? 1 : -1;
        if (typeof p === 'number' && typeof q === 'number') return sign * (p - q);
        if (typeof p !== typeof q) return typeof p === 'number' ? -1 : 1;
        return sign * p.localeCompare(q, 'en', { numeric: true });
      };
      [...body.rows].sort(order).forEach(tr => body.append(tr));
      stops();
    }));
  });

  const stops = () => document.querySelectorAll('table.sorts tbody').forEach(body => A.roving(body, 'th a.n'));
  const filters = { machine: r => r.machine, model: r => r.model.name, precision: r => r.precision, batch: r => String(r.workload.batch) };
  function filter() {
    const words = $('filter-text').value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter(r => Object.entries(filters).every(([k, f]) => { const v = $('filter-' + k).value; return v === '' || f(r) === v; }) && words.every(w => r.text.includes(w)));
    const keep = new Set(shown.map(r => String(r.row)));
    document.querySelectorAll('table.sorts tbody tr').forEach(tr => { tr.hidden = tr.dataset.row !== '0' && !keep.has(tr.dataset.row); });
    $('filter-count').textContent = `${shown.length} of ${rows.length} rows`;
    stops();
    draw();
  }
  if ($('filters')) {
    rows.forEach(r => { r.text = [r.name, r.machine, r.model.architecture, r.command, r.time].join(' ').toLowerCase(); });
    for (const [k, f] of Object.entries(filters)) {
      const s = $('filter-' + k), values = distinct(f);
      values.forEach(v => s.append(A.el('option', { value: v }, v)));
      s.closest('label').hidden = values.length < 2;
      s.addEventListener('change', filter);
    }
    $('filter-text').addEventListener('input', filter);
    $('filter-count').textContent = `${rows.length} rows`;
  }

  // ---- all of it

  function draw() {
    memoryBars();
    timeBars();
    errors('prefill-error', 'prefill_seconds', 'prefill');
    errors('decode-error', 'decode_seconds_per_token', 'decode');
    roofline();
    utilisation();
    speed('prefill-speed', 'prefill', 'prompt', r => r.workload.prompt_tokens, 'prefill_tokens_per_second', 'prefill_seconds', r => r.workload.batch * r.workload.prompt_tokens);
    speed('decode-batch', 'decode', 'batch', r => r.workload.batch, 'decode_tokens_per_second', 'decode_seconds_per_token', r => r.workload.batch);
    speed('decode-context', 'decode', 'context', r => r.workload.prompt_tokens + r.workload.generated_tokens, 'decode_tokens_per_second', 'decode_seconds_per_token', r => r.workload.batch);
    quality();
    calibration();
  }
  draw();
  stops();
  let timer;
  addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(draw, 150); });
  addEventListener('beforeprint', () => { document.querySelectorAll('details').forEach(d => { d.open = d.querySelectorAll('tr,li').length < 60; }); });
  window.report = { rows, shown: () => shown };
})();
