'use strict';
(() => {
  const data = A.data('data');
  const $ = id => document.getElementById(id);
  const STOPS = {
    devices: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    batch: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024],
    context: [128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152, 65536, 98304, 131072, 262144, 524288, 1048576],
    generate: [1, 2, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
    accumulate: [1, 2, 4, 8, 16, 32, 64, 128],
    tensor: [1, 2, 4, 8, 16, 32], pipeline: [1, 2, 4, 8, 16, 32],
    lora: [0, 1, 2, 4, 8, 16, 32, 64, 128, 256],
    'lora-alpha': [1, 2, 4, 8, 16, 32, 64, 128, 256],
    utilization: [0, 10, 20, 30, 35, 40, 45, 50, 55, 60, 70, 80],
    tokens: [0, 0.1, 1, 10, 100, 300, 1000, 2000, 5000, 15000],
  };
  const CHOICES = {
    precision: data.precisions.map(p => [p, p]),
    'kv-cache': [['own', 'as the weights ask for'], ['fp32', 'fp32'], ['fp16', 'fp16'], ['bf16', 'bf16']],
    optimizer: [['adamw', 'AdamW'], ['adam', 'Adam'], ['sgd', 'SGD'], ['sgd-momentum', 'SGD with momentum']],
    'optimizer-type': [['fp32', 'fp32'], ['bf16', 'bf16'], ['fp16', 'fp16']],
    gradients: [['own', "the weights' type"], ['fp32', 'fp32'], ['bf16', 'bf16'], ['fp16', 'fp16']],
    recompute: [['none', 'none'], ['selective', 'selective: attention'], ['full', 'full: whole blocks']],
    zero: [['0', 'nothing (DDP)'], ['1', '1: the optimiser'], ['2', '2: and gradients'], ['3', '3: and weights (FSDP)']],
    qlora: [['none', 'as the weights'], ['int8', 'int8'], ['int4', 'int4']],
  };
  const TARGETS = ['q', 'k', 'v', 'o', ...(data.gated ? ['gate'] : []), 'up', 'down'];
  const state = { ...data.initial };
  const NAMES = { weights: 'weights', kv_cache: 'KV cache', gradients: 'gradients', optimizer: 'optimiser', activations: 'activations', workspace: 'workspace', overhead: 'overhead' };
  const COLORS = { weights: 0, kv_cache: 1, gradients: 5, optimizer: 2, activations: 3, workspace: 6, overhead: 4 };

  // ---- controls

  function slider(row) {
    const id = row.dataset.stops;
    let stops = STOPS[id].filter(v => id !== 'context' || v <= Math.max(data.positions, state.context));
    if (id === 'context' && !stops.includes(data.positions)) stops = [...stops, data.positions].sort((a, b) => a - b);
    const range = A.el('input', { type: 'range', id, min: 0, max: stops.length - 1, step: 1 });
    const label = row.querySelector('label');
    const box = A.el('input', { type: 'number', id: id + '-number', min: stops[0] === 0 ? 0 : 1, step: 'any', 'aria-label': label.textContent + ', as a number' });
    const show = () => {
      const v = state[id];
      let near = 0;
      stops.forEach((s, i) => { if (Math.abs(s - v) < Math.abs(stops[near] - v)) near = i; });
      range.value = near;
      range.setAttribute('aria-valuetext', String(v));
      if (document.activeElement !== box) box.value = v;
    };
    range.addEventListener('input', () => { set(id, stops[+range.value]); box.value = state[id]; });
    box.addEventListener('input', () => { const v = Number(box.value); if (box.value !== '' && v >= +box.min && (Number.isInteger(v) || id === 'tokens' || id === 'utilization' || id === 'lora-alpha')) set(id, v); });
    row.append(range, box);
    shows.push(show);
  }
  const shows = [];
  function select(id, options) {
    const s = $(id);
    A.fill(s, ...options.map(([value, text]) => A.el('option', { value }, text)));
    s.addEventListener('change', () => set(id, s.value));
    shows.push(() => { s.value = state[id]; });
  }
  function check(id) {
    const c = $(id);
    c.addEventListener('change', () => set(id, c.checked));
    shows.push(() => { c.checked = state[id]; });
  }
  const targets = () => state['lora-targets'] === 'all' ? TARGETS : state['lora-targets'].split(',').map(t => t.trim().replace('_proj', ''));
  function targetBoxes() {
    const boxes = TARGETS.map(t => {
      const c = A.el('input', { type: 'checkbox' });
      c.addEventListener('change', () => {
        const some = TARGETS.filter((_, i) => boxes[i].checked);
        if (!some.length) { c.checked = true; return; } // at least one
        set('lora-targets', some.length === TARGETS.length ? 'all' : some.join(','));
      });
      $('lora-targets').append(A.el('label', null, c, t));
      return c;
    });
    shows.push(() => boxes.forEach((c, i) => { c.checked = targets().includes(TARGETS[i]); }));
  }
  function set(id, value) {
    state[id] = value;
    // As on the command line, where --qlora alone means adapters of rank 16.
    if (id === 'qlora' && value !== 'none' && state.lora === 0) state.lora = 16;
    if (id === 'lora' && value === 0) state.qlora = 'none';
    // The prompt takes what the answer leaves, as on the command line.
    if (id === 'context') state.generate = Math.min(state.generate, Math.max(1, Math.floor(value / 2)));
    if (id === 'generate' && value >= state.context) state.context = value + 1;
    if (id === 'context' || id === 'generate') state.prompt = Math.max(1, state.context - state.generate);
    later();
  }

  // ---- the estimate

  const device = () => data.devices[+state.gpu] || data.devices[0];
  function question(change) {
    const q = { ...state, ...change, workers: data.workers };
    const lines = [];
    for (const [k, v] of Object.entries(q)) {
      if (k === 'gpu') continue;
      if (k === 'utilization') { if (v > 0) lines.push('utilization=' + v / 100); continue; }
      if (k === 'tokens') { if (v > 0) lines.push('tokens=' + v * 1e9); continue; }
      lines.push(k + '=' + v);
    }
    return lines.join('\n');
  }
  const ask = change => JSON.parse(assayEstimate(data.model, device().text, question(change)));

  // ---- the answer

  const card = (k, v, s) => A.el('div', { class: 'card' }, A.el('div', { class: 'k' }, k), A.el('div', { class: 'v' }, v), s ? A.el('div', { class: 's' }, s) : null);

  function memory(bar, table, kinds, e, caption, limit, reserved) {
    const total = e.total_bytes, full = Math.max(total, limit || 0);
    const part = k => e[k + '_bytes'] || 0;
    A.fill(bar, ...kinds.filter(part).map(k => {
      const s = A.el('span', { title: NAMES[k] + ': ' + A.bytes(part(k)) });
      s.style.cssText = `width:${100 * part(k) / full}%;background:${A.color(COLORS[k])}`;
      return s;
    }));
    if (limit) { const l = A.el('span', { class: 'limit', title: 'memory of the device: ' + A.bytes(limit) }); l.style.left = `calc(${100 * limit / full}% - 3px)`; bar.append(l); }
    bar.setAttribute('aria-label', kinds.filter(part).map(k => NAMES[k] + ' ' + A.bytes(part(k))).join(', ') + (limit ? ', of ' + A.bytes(limit) : ''));
    const row = (name, v, color) => {
      const th = A.el('th', { scope: 'row', class: 'l' });
      if (color != null) { const w = A.el('span', { class: 'swatch', 'aria-hidden': 'true' }); w.style.background = A.color(color); th.append(w); }
      th.append(name);
      return A.el('tr', null, th, A.el('td', null, A.bytes(v)), A.el('td', null, A.gib(v)), A.el('td', null, color == null ? '' : A.percent(v / total)));
    };
    const head = A.el('thead', null, A.el('tr', null, ...['', 'bytes', '', 'share'].map((t, i) => A.el('th', { scope: 'col', class: i ? null : 'l' }, t))));
    A.fill(table, A.el('caption', null, caption), head, A.el('tbody', null, ...kinds.map(k => row(NAMES[k], part(k), COLORS[k])), row('total', total), limit ? row('the device has', limit) : null));
  }

  function inference(e, limit) {
    const count = v => v == null ? '–' : v.toLocaleString('en-US');
    A.fill($('cards'),
      card('Time to first token', A.seconds(e.time_to_first_token_seconds), A.digits(state.prompt) + ' tokens of prompt, batch ' + state.batch),
      card('Time per token', A.seconds(e.decode_seconds_per_token), 'each sequence'),
      card('Tokens per second', A.digits(e.decode_tokens_per_second), 'all sequences'),
      card('Prefill', A.digits(e.prefill_tokens_per_second), 'tokens per second'),
      card('Largest batch', count(e.largest_batch), 'at this context, one device'),
      card('Longest context', count(e.longest_context_tokens), 'at this batch, one device'),
      card('Smallest number of devices', count(e.fewest_devices), e.fewest_devices == null && limit ? 'no number is enough' : 'that share the model'),
      e.devices > 1 ? card('Bytes per device', A.bytes(e.bytes_per_device), e.spread + '; not measured here') : null);
    shared(e);
    memory($('memory-bar'), $('memory'), ['weights', 'kv_cache', 'activations', 'workspace', 'overhead'], e,
      'What one device alone has to hold; overhead is padding and what the driver takes.', limit);
  }

  const head = (first, ...names) => A.el('thead', null, A.el('tr', null, ...[first, ...names].map((h, i) => A.el('th', { scope: 'col', class: i ? null : 'l' }, h))));
  const line = (name, ...cells) => A.el('tr', null, A.el('th', { scope: 'row', class: 'l' }, name), ...cells.map(c => A.el('td', null, c)));
  const yes = v => v == null ? '–' : v ? 'yes' : 'no';

  function shared(e) {
    $('shared-box').hidden = !(e.devices > 1);
    if (!(e.devices > 1)) return;
    A.fill($('shared'), A.el('caption', null, `On ${e.devices} devices (${e.spread}), not measured here; times are of one device's share, without exchange`),
      head('', 'time', 'a device sends'), A.el('tbody', null,
        line('to the first token', A.seconds(e.shared_prefill_seconds), A.bytes(e.prefill_bytes_sent)),
        line('a decode step', A.seconds(e.shared_decode_seconds_per_token), A.bytes(e.decode_bytes_sent_per_step))));
  }

  function sharings(t) {
    $('sharings-box').hidden = !t.sharings.length;
    A.fill($('sharings'), A.el('caption', null, 'Micro-batch and accumulation as above. Not measured here: exchange is not in the times; "link" is the rate below which sending alone takes longer than the step.'),
      head('', 'bytes per device', 'fits', 'tokens a step', 'a step', 'sent a step', 'link at least'), A.el('tbody', null,
        ...t.sharings.map((s, i) => line(s.parallelism + (i ? '' : ' (chosen)'), A.bytes(s.bytes_per_device), yes(s.fits), s.tokens_per_step.toLocaleString('en-US'), s.step_seconds ? A.seconds(s.step_seconds.value) : '–', A.bytes(s.sent_bytes), s.link_bytes_per_second == null ? '–' : A.quantity(s.link_bytes_per_second, 'B/s')))));
  }

  function rules(list) {
    const unit = (v, u) => v == null ? '–' : u === 's' ? A.seconds(v) : u === 'devices' ? A.digits(v) : u === 'tokens' ? A.quantity(v, '') : A.quantity(v, u);
    const off = r => {
      const td = A.el('td', { class: 'off' });
      if (r.deviation == null) { td.append(A.el('span', null, '–')); return td; }
      const halves = Math.max(-3, Math.min(3, Math.log2(Math.max(1e-9, r.value / r.exact)))) / 3, bar = A.el('i', { 'aria-hidden': 'true', class: halves > 0 ? 'more' : 'less' });
      // The middle lies 2.6rem left of the cell's, so that the number has room.
      bar.style.cssText = halves > 0 ? `left:calc(50% - 2.6rem);width:calc(${halves} * (50% - 3rem))` : `right:calc(50% + 2.6rem);width:calc(${-halves} * (50% - 3rem))`;
      td.append(bar, A.el('span', null, (r.deviation >= 0 ? '+' : '−') + (100 * Math.abs(r.deviation)).toFixed(1) + ' %'));
      return td;
    };
    A.fill($('rules'), A.el('caption', null, `${list.length} rules; "exact" is counted operation by operation and byte by byte, times and devices are this estimate's own`),
      A.el('thead', null, A.el('tr', null, ...['of', 'rule', 'says', 'exact', 'off by'].map((h, i) => A.el('th', { scope: 'col', class: i < 2 ? 'l' : null }, h)))),
      A.el('tbody', null, ...list.map((r, i) => A.el('tr', { class: i && list[i - 1].topic === r.topic ? null : 'group' }, A.el('th', { scope: 'row', class: 'l' }, i && list[i - 1].topic === r.topic ? A.el('span', { class: 'same' }, r.topic) : r.topic), A.el('td', { class: 'l wrap' }, A.el('code', null, r.rule), A.el('small', null, r.source)),
        A.el('td', null, unit(r.value, r.unit)), A.el('td', null, unit(r.exact, r.unit)), off(r)))));
  }

  function training(t, limit) {
    $('training').hidden = !t;
    $('lora-more').hidden = data.adapter || !(state.lora > 0);
    $('training-controls').hidden = !state.train;
    if (!t) return;
    const range = r => r ? A.seconds(r.value) : '–';
    const ends = r => r && r.low !== r.high ? A.seconds(r.low) + ' to ' + A.seconds(r.high) : t.utilization_source;
    A.fill($('training-cards'),
      card('One step', range(t.step_seconds), ends(t.step_seconds)),
      card('Tokens per step', A.digits(t.tokens_per_step)),
      t.training_seconds ? card('Whole training', range(t.training_seconds), ends(t.training_seconds)) : null,
      card('Trained parameters', A.quantity(t.trained_parameters, ''), A.percent(t.trained_parameters / t.parameters) + ' of all'),
      card('Fewest replicas, ZeRO 3', t.fewest_devices_zero3 == null ? '–' : A.digits(t.fewest_devices_zero3), 'not measured here'));
    memory($('training-bar'), $('training-memory'), ['weights', 'gradients', 'optimizer', 'activations', 'workspace', 'overhead'], t,
      t.parallelism + (t.devices > 1 ? '; several devices are not measured here' : ''), limit);
    const rows = [['forward', t.forward_flops], ['backward', t.backward_flops], ['computed again', t.recompute_flops], ['optimiser', t.optimizer_flops], ['a step, counted', t.step_flops], ['rule 6·N·D', t.six_nd_flops], ['rule 8·N·D, recomputing', t.eight_nd_flops]];
    A.fill($('training-work'), A.el('caption', null, 'FLOPs of one step on all devices, operation by operation, beside the rules (claims C2 and C3)'),
      A.el('thead', null, A.el('tr', null, ...['', 'FLOPs', 'of the count'].map((h, i) => A.el('th', { scope: 'col', class: i ? null : 'l' }, h)))),
      A.el('tbody', null, ...rows.map(([k, v]) => A.el('tr', null, A.el('th', { scope: 'row', class: 'l' }, k), A.el('td', null, A.quantity(v, '')), A.el('td', null, (v / t.step_flops).toFixed(3)))),
        ...t.traffic.map(x => A.el('tr', null, A.el('th', { scope: 'row', class: 'l' }, x.name + ' (' + x.why + ')'), A.el('td', null, A.bytes(x.bytes)), A.el('td', null, 'not measured here')))));
    sharings(t);
    A.fill($('terms'), A.el('caption', null, 'What the forward pass keeps for the backward pass; one layer, or all where it is outside the layers'),
      A.el('thead', null, A.el('tr', null, ...['', 'formula', 'bytes', 'where', 'what for'].map((h, i) => A.el('th', { scope: 'col', class: i === 2 ? null : 'l' }, h)))),
      A.el('tbody', null, ...t.activation_terms.map(x => A.el('tr', null, A.el('th', { scope: 'row', class: 'l' }, x.name), A.el('td', { class: 'l' }, A.el('code', null, x.formula)), A.el('td', null, A.bytes(x.bytes)), A.el('td', { class: 'l' }, x.per_layer ? 'each layer' : 'once'), A.el('td', { class: 'l' }, x.why)))));
  }

  function command() {
    const parts = ['assay', 'estimate', data.argument], q = s => /^[\w.,:\/+-]+$/.test(s) ? s : "'" + s.replaceAll("'", "'\\''") + "'";
    parts[2] = q(parts[2]);
    parts.push(...data.options.map(q), ...device().options.map(q));
    const add = (id, standard) => { if (String(state[id]) !== String(standard)) parts.push('--' + id, q(String(state[id]))); };
    add('precision', 'bf16'); add('kv-cache', 'own'); add('batch', 1);
    parts.push('--context', state.context, '--prompt', state.prompt, '--generate', state.generate);
    add('devices', 1);
    if (state.train || state.tensor * state.pipeline === state.devices) { add('tensor', 1); add('pipeline', 1); }
    if (state.train) {
      parts.push('--train');
      add('optimizer', 'adamw'); add('gradients', 'own'); add('optimizer-type', 'fp32'); add('recompute', 'none'); add('zero', '0'); add('accumulate', 1);
      if (state.lora > 0 && !data.adapter) { parts.push('--lora', state.lora); add('lora-alpha', 32); add('lora-targets', 'all'); }
      add('qlora', 'none');
      if (state['stored-scores']) parts.push('--stored-scores');
      if (state.dropout) parts.push('--dropout');
      if (state.utilization > 0) parts.push('--utilization', state.utilization / 100);
      if (state.tokens > 0) parts.push('--tokens', state.tokens + 'G');
    }
    return parts.join(' ');
  }

  function verdict(e, limit) {
    const v = $('verdict');
    if (limit == null) { A.fill(v, `Needs ${A.bytes(e.total_bytes)}.`); return; }
    if (e.devices > 1) {
      const each = e.bytes_per_device <= limit, rate = e.shared_decode_seconds_per_token && state.batch / e.shared_decode_seconds_per_token;
      A.fill(v, A.el('span', { class: each ? 'good' : 'bad' }, each ? '✓ Fits' : '✗ Does not fit'),
        ` on ${e.devices} × ${device().name} (${e.spread}): ${A.bytes(e.bytes_per_device)} of ${A.bytes(limit)} each` + (rate ? `, at most ${A.digits(rate)} tokens/s, exchange not counted` : '') + '; not measured here');
      return;
    }
    const fits = e.total_bytes <= limit;
    A.fill(v, A.el('span', { class: fits ? 'good' : 'bad' }, fits ? '✓ Fits' : '✗ Does not fit'),
      ` on one ${device().name}: ${A.bytes(e.total_bytes)} of ${A.bytes(limit)}` + (e.decode_tokens_per_second == null ? '' : `, ${A.digits(e.decode_tokens_per_second)} tokens/s`));
  }

  let last;
  function render() {
    shows.forEach(s => s());
    const a = last = ask({});
    $('command').textContent = command();
    const w = a.error ? [a.error] : a.warnings;
    A.fill($('warnings'), w.length ? A.el('div', { class: 'warn' }, A.el('ul', null, ...w.map(t => A.el('li', null, t)))) : null);
    if (a.error) { $('verdict').textContent = ''; return; }
    const limit = a.device_memory_bytes;
    verdict(a.estimate, limit);
    if (a.training && limit != null) {
      const fits = a.training.total_bytes <= limit;
      $('verdict').append(A.el('br'), A.el('span', { class: fits ? 'good' : 'bad' }, fits ? '✓ Training fits' : '✗ Training does not fit'), `: ${A.bytes(a.training.total_bytes)} of ${A.bytes(limit)}` + (a.training.devices > 1 ? ` on the fullest of ${a.training.devices}; not measured here` : ''));
    }
    inference(a.estimate, limit);
    training(a.training, limit);
    rules(a.rules);
    $('provenance').textContent = device().provenance;
    clearTimeout(curveTimer);
    curveTimer = setTimeout(curves, 120);
  }
  let timer, curveTimer;
  // For tests and for other pages' scripts: what the controls could do, at once.
  window.assay = { set(change) { for (const [k, v] of Object.entries(change)) set(k, v); render(); return last; }, answer: () => last, state };
  function later() { clearTimeout(timer); timer = setTimeout(render, 15); }

  // Speed over batch, memory over context: the same estimate at other stops.
  function curves() {
    if (last.error) return;
    const limit = last.device_memory_bytes;
    const over = (id, stops) => stops.map(v => [v, ask({ [id]: v, train: false, point: true, ...(id === 'context' ? { prompt: Math.max(1, v - state.generate) } : {}) }).estimate]).filter(p => p[1]);
    const batches = over('batch', [...new Set([1, 2, 4, 8, 16, 32, 64, 128, state.batch])].sort((a, b) => a - b));
    const speed = batches.filter(p => p[1].decode_tokens_per_second);
    const mark = (x, y, label) => ({ x, y, color: 'var(--accent)', label, size: 90 });
    A.plot($('over-batch'), { title: 'Tokens per second over batch; hollow where memory does not suffice', height: 260,
      x: { log: true, label: 'batch', values: [1, 4, 16, 64, 256].filter(v => v <= Math.max(128, state.batch)) }, y: { log: true, label: 'tokens/s' },
      lines: [{ points: speed.map(([b, e]) => [b, e.decode_tokens_per_second]), color: 'var(--c0)' }],
      points: speed.map(([b, e]) => b === state.batch ? mark(b, e.decode_tokens_per_second, `batch ${b}: ${A.digits(e.decode_tokens_per_second)} tokens/s`)
        : { x: b, y: e.decode_tokens_per_second, color: 'var(--c0)', hollow: e.fits === false, size: 45, label: `batch ${b}: ${A.digits(e.decode_tokens_per_second)} tokens/s` }) });
    const most = Math.max(data.positions, state.context);
    const contexts = over('context', [...new Set([512, 2048, 8192, 32768, 131072, most, state.context])].filter(v => v <= most && v > state.generate).sort((a, b) => a - b));
    A.plot($('over-context'), { title: 'Bytes over context' + (limit ? '; the dashed line is the memory of the device' : ''), height: 260,
      x: { log: true, label: 'context, tokens', format: v => v >= 1024 && v % 1024 === 0 ? v / 1024 + ' Ki' : A.digits(v) , values: contexts.map(p => p[0]).filter(v => v >= 2048 || v === 512).filter((v, i, all) => i === 0 || v / all[i - 1] > 1.8) },
      y: { log: true, label: 'bytes', format: v => A.bytes(v) },
      lines: [{ points: contexts.map(([c, e]) => [c, e.total_bytes]), color: 'var(--c1)' }],
      rules: limit ? [{ y: limit }] : [],
      points: contexts.map(([c, e]) => c === state.context ? mark(c, e.total_bytes, `context ${c}: ${A.bytes(e.total_bytes)}`)
        : { x: c, y: e.total_bytes, color: 'var(--c1)', size: 45, label: `context ${c}: ${A.bytes(e.total_bytes)}` }) });
  }

  // ---- start

  $('model').textContent = data.name;
  $('facts').textContent = data.facts;
  $('made').textContent = data.made;
  select('gpu', data.devices.map((d, i) => [String(i), d.name + (d.about ? ' (' + d.about + ')' : '')]));
  for (const [id, options] of Object.entries(CHOICES)) select(id, options);
  document.querySelectorAll('[data-stops]').forEach(slider);
  targetBoxes();
  if (data.adapter) { $('lora').closest('.row').hidden = true; $('adapter-note').hidden = false; }
  ['train', 'stored-scores', 'dropout'].forEach(check);
  $('reset').addEventListener('click', () => { Object.assign(state, data.initial); render(); });
  $('copy').addEventListener('click', () => {
    const done = () => { $('copy').textContent = 'Copied'; setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500); };
    if (navigator.clipboard) navigator.clipboard.writeText($('command').textContent).then(done, () => {});
  });
  addEventListener('resize', () => { clearTimeout(curveTimer); curveTimer = setTimeout(curves, 200); });
  render();
})();
