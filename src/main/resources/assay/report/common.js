'use strict';
// Shared by the pages: numbers as the command line prints them, elements, plots.
const A = {};
(() => {
  // Four significant digits, no exponent; whole numbers below 10,000 as they are.
  A.digits = v => {
    if (v == null || !isFinite(v)) return '–';
    if (Number.isInteger(v) && Math.abs(v) < 10000) return String(v);
    if (v === 0) return '0';
    const e = Math.floor(Math.log10(Math.abs(v)));
    if (e >= 4) return String(Math.round(v / 10 ** (e - 3)) * 10 ** (e - 3));
    if (e < -7) return v.toExponential(2);
    return String(Number(v.toFixed(Math.max(0, 3 - e))));
  };
  A.quantity = (v, unit) => {
    if (v == null || !isFinite(v)) return '–';
    let step = 0, m = Math.abs(v);
    while (step < 6 && Number(m.toPrecision(4)) >= 1000) { m /= 1000; step++; }
    return ((v < 0 ? '-' : '') + A.digits(m) + ' ' + ' kMGTPE'[step].trim() + unit).trim();
  };
  A.bytes = v => A.quantity(v, 'B');
  A.gib = v => v == null ? '–' : A.digits(v / 2 ** 30) + ' GiB';
  A.seconds = v => {
    if (v == null || !isFinite(v)) return '–';
    for (const [unit, size] of [['s', 1], ['ms', 1e-3], ['µs', 1e-6]])
      if (v >= size && v < 120) return A.digits(v / size) + ' ' + unit;
    if (v < 1e-6) return A.digits(v / 1e-9) + ' ns';
    for (const [unit, size] of [['years', 365.25 * 86400], ['days', 86400], ['h', 3600], ['min', 60]])
      if (v >= 2 * size) return A.digits(v / size) + ' ' + unit;
    return A.digits(v) + ' s';
  };
  A.percent = v => v == null ? '–' : v === 0 ? '0 %' : (100 * v).toFixed(Math.abs(v) < 0.1 ? 1 : 0) + ' %';
  // An element; text never becomes markup.
  A.el = (tag, attributes, ...children) => {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes || {})) if (v != null) e.setAttribute(k, v);
    for (const c of children) if (c != null) e.append(c);
    return e;
  };
  A.fill = (parent, ...children) => { parent.replaceChildren(...children.filter(c => c != null)); return parent; };
  A.data = id => JSON.parse(document.getElementById(id).textContent);

  // ---- plots

  const tickText = (axis, v) => (axis.format || A.digits)(v);

  // A log or linear scale that holds all values.
  function scale(axis, values, range) {
    const ok = values.filter(v => v != null && isFinite(v) && (!axis.log || v > 0));
    let [lo, hi] = d3.extent(ok);
    if (axis.log) {
      lo = axis.min ?? lo; hi = axis.max ?? hi;
      if (hi / lo < 4) { lo /= 2; hi *= 2; } else { lo /= 1.25; hi *= 1.25; }
      return d3.scaleLog([lo, hi], range);
    }
    lo = axis.min ?? Math.min(lo, 0); hi = axis.max ?? hi;
    if (lo === hi) hi = lo + 1;
    const s = d3.scaleLinear([lo, hi], range);
    return axis.exact ? s : s.nice();
  }

  function ticksOf(s, axis, room) {
    if (axis.values) return axis.values;
    if (!axis.log) return s.ticks(Math.max(3, room));
    const [lo, hi] = s.domain();
    let out;
    const at = steps => {
      const out = [];
      for (let e = Math.floor(Math.log10(lo)); e <= Math.log10(hi); e++)
        for (const m of steps) { const v = Number((m * 10 ** e).toPrecision(6)); if (v >= lo && v <= hi) out.push(v); }
      return out;
    };
    // As many as there is room for, evenly.
    for (const steps of [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 5], [1, 3], [1]]) { out = at(steps); if (out.length <= room) return out; }
    return out.filter((_, i) => i % Math.ceil(out.length / room) === 0);
  }

  // Regular polygons for when the library's shapes do not suffice: corners, and the first one's direction.
  const polygon = (n, turn) => ({ draw(c, size) { const r = Math.sqrt(2 * size / (n * Math.sin(2 * Math.PI / n))); for (let i = 0; i < n; i++) { const a = turn + 2 * Math.PI * i / n; c[i ? 'lineTo' : 'moveTo'](r * Math.cos(a), r * Math.sin(a)); } c.closePath(); } });
  const SHAPES = [d3.symbolCircle, d3.symbolSquare, d3.symbolTriangle, d3.symbolDiamond, d3.symbolStar, d3.symbolCross, d3.symbolWye,
    polygon(3, Math.PI / 2), polygon(5, -Math.PI / 2), polygon(3, 0), polygon(6, 0), polygon(3, Math.PI)];
  A.shape = (i, size) => d3.symbol(SHAPES[i % SHAPES.length], size || 64)();
  A.color = i => `var(--c${i % 7})`;

  // o: {title, x, y, points:[{x,y,color,shape,label,low,high,hollow}], lines:[{points:[[x,y]],color,label,dash,name}],
  //     band:{y0,y1,label}, rules:[{x|y,label,color}], legend:[{label,color,shape,line}], height}
  A.plot = (figure, o) => {
    const W = Math.min(Math.max(300, o.width || figure.clientWidth || 640), 1200), H = o.height || 340;
    const L = 70, R = o.right || 18, T = 14, B = 46;
    const xs = [...(o.points || []).map(p => p.x), ...(o.lines || []).flatMap(l => l.points.map(p => p[0]))];
    const ys = [...(o.points || []).flatMap(p => [p.y, p.low ?? p.y, p.high ?? p.y]), ...(o.lines || []).flatMap(l => l.points.map(p => p[1])),
      ...(o.rules || []).map(r => r.y).filter(v => v != null), ...(o.band ? [o.band.y0, o.band.y1] : [])];
    if (!xs.length) { A.fill(figure); return; }
    const x = scale(o.x, xs, [L, W - R]), y = scale(o.y, ys, [H - B, T]);
    const svg = d3.create('svg').attr('viewBox', `0 0 ${W} ${H}`).attr('class', 'plot').attr('role', 'group')
      .attr('aria-label', o.title).attr('width', W).attr('height', H);
    const g = svg.append('g').attr('aria-hidden', 'true');
    for (const v of ticksOf(x, o.x, Math.floor((W - L - R) / 62))) {
      g.append('line').attr('class', 'grid').attr('x1', x(v)).attr('x2', x(v)).attr('y1', T).attr('y2', H - B);
      g.append('text').attr('x', x(v)).attr('y', H - B + 17).attr('text-anchor', 'middle').text(tickText(o.x, v));
    }
    for (const v of ticksOf(y, o.y, Math.floor((H - T - B) / 34))) {
      g.append('line').attr('class', 'grid').attr('x1', L).attr('x2', W - R).attr('y1', y(v)).attr('y2', y(v));
      g.append('text').attr('x', L - 7).attr('y', y(v) + 4).attr('text-anchor', 'end').text(tickText(o.y, v));
    }
    g.append('text').attr('class', 'axis').attr('x', (L + W - R) / 2).attr('y', H - 8).attr('text-anchor', 'middle').text(o.x.label);
    g.append('text').attr('class', 'axis').attr('x', -(T + H - B) / 2).attr('y', 13).attr('transform', 'rotate(-90)').attr('text-anchor', 'middle').text(o.y.label);
    const clip = v => Math.max(T, Math.min(H - B, v));
    if (o.band) {
      g.append('rect').attr('class', 'band').attr('x', L).attr('width', W - R - L).attr('y', clip(y(o.band.y1))).attr('height', Math.max(0, clip(y(o.band.y0)) - clip(y(o.band.y1))));
    }
    const path = d3.line(p => x(p[0]), p => y(p[1]));
    for (const l of o.lines || []) {
      g.append('path').attr('d', path(l.points)).attr('fill', 'none').style('stroke', l.color || 'var(--soft)').attr('stroke-width', l.width || 2).attr('stroke-dasharray', l.dash || null);
      if (l.name) { const [px, py] = l.points[l.at ?? l.points.length - 1]; g.append('text').attr('x', x(px) + (l.dx ?? 4)).attr('y', y(py) + (l.dy ?? 4)).attr('text-anchor', l.anchor || 'start').text(l.name); }
    }
    for (const r of o.rules || []) {
      const a = r.x != null ? [x(r.x), x(r.x), T, H - B] : [L, W - R, y(r.y), y(r.y)];
      g.append('line').attr('x1', a[0]).attr('x2', a[1]).attr('y1', a[2]).attr('y2', a[3]).style('stroke', r.color || 'var(--bad)').attr('stroke-width', 1.5).attr('stroke-dasharray', '5 4');
      if (r.label) g.append('text').attr('x', r.x != null ? a[0] + 5 : L + 4).attr('y', r.x != null ? T + 11 : a[2] - 5).text(r.label);
    }
    const names = [];
    for (const p of o.points || []) {
      if (p.low != null && p.high > p.low)
        g.append('line').attr('x1', x(p.x)).attr('x2', x(p.x)).attr('y1', y(p.low)).attr('y2', y(p.high)).style('stroke', p.color).attr('stroke-width', 1.2).attr('opacity', .6);
      svg.append('path').attr('d', A.shape(p.shape || 0, p.size)).attr('transform', `translate(${x(p.x)},${y(p.y)})`).attr('class', 'point')
        .style('fill', p.hollow ? 'var(--back)' : p.color).style('stroke', p.hollow ? p.color : 'var(--back)').attr('stroke-width', p.hollow ? 2 : 1)
        .attr('role', p.href ? 'link' : 'img').attr('aria-label', p.label)
        .on('click', () => { if (p.href) location.hash = p.href; }).on('keyup', e => { if (p.href && e.key === 'Enter') location.hash = p.href; })
        .on('pointerenter focus', e => A.tip(e.currentTarget, p.label)).on('pointerleave blur', () => A.tip()).append('title').text(p.label);
      if (p.name) {
        // Names that would lie over one another go below.
        let ty = y(p.y) + 4;
        while (names.some(n => Math.abs(n[0] - x(p.x)) < 90 && Math.abs(n[1] - ty) < 12)) ty += 13;
        names.push([x(p.x), ty]);
        g.append('text').attr('x', x(p.x) + 8).attr('y', ty).text(p.name);
      }
    }
    A.roving(svg.node(), '.point');
    const legend = (o.legend || []).concat(o.band ? [{ label: o.band.label, band: true }] : []).map(k => {
      const s = k.band ? `<svg width="22" height="12" aria-hidden="true"><rect width="22" height="12" class="band"/></svg>`
        : k.line ? `<svg width="22" height="12" aria-hidden="true"><line x1="1" x2="21" y1="6" y2="6" stroke-width="2.5" stroke-dasharray="${k.dash || ''}" style="stroke:${k.color}"/></svg>`
        : `<svg width="14" height="14" aria-hidden="true"><path transform="translate(7,7)" d="${A.shape(k.shape || 0, 60)}" style="fill:${k.hollow ? 'var(--back)' : k.color};stroke:${k.color};stroke-width:1.5"/></svg>`;
      const item = A.el('span', { class: 'key' }); item.innerHTML = s; item.append(' ' + k.label); return item;
    });
    A.fill(figure, legend.length ? A.el('div', { class: 'legend' }, ...legend) : null, svg.node(), A.el('figcaption', null, o.title));
  };

  // One stop of the keyboard for all marks of a plot or links of a table; arrows go on from there.
  A.roving = (root, selector) => {
    const marks = () => [...root.querySelectorAll(selector)].filter(m => !m.closest('[hidden]'));
    root.querySelectorAll(selector).forEach(m => m.setAttribute('tabindex', -1));
    const first = marks()[0];
    if (first) first.setAttribute('tabindex', 0);
    root.onkeydown = e => {
      const all = marks(), at = all.indexOf(e.target), to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[e.key];
      if (at < 0 || to == null || !all[to]) return;
      e.preventDefault();
      root.querySelectorAll(selector + '[tabindex="0"]').forEach(m => m.setAttribute('tabindex', -1));
      all[to].setAttribute('tabindex', 0);
      all[to].focus();
    };
  };

  // Pairs of bars, one group under the other. o: {title, groups: [{name, bars: [{v, color, label}]}], rule: {v, label}, legend, format}
  A.bars = (figure, o) => {
    const W = Math.min(Math.max(300, figure.clientWidth || 640), 900), L = 108, R = 62, each = 13;
    const step = d3.max(o.groups, g => g.bars.length) * each + 12, H = o.groups.length * step + 34;
    const x = d3.scaleLinear([0, d3.max(o.groups.flatMap(g => g.bars.map(b => b.v)).concat(o.rule ? [o.rule.v] : []))], [L, W - R]).nice();
    const svg = d3.create('svg').attr('viewBox', `0 0 ${W} ${H}`).attr('class', 'plot bars').attr('role', 'group').attr('aria-label', o.title).attr('width', W).attr('height', H);
    for (const v of x.ticks(Math.floor((W - L - R) / 70))) {
      svg.append('line').attr('class', 'grid').attr('x1', x(v)).attr('x2', x(v)).attr('y1', 4).attr('y2', H - 26);
      svg.append('text').attr('x', x(v)).attr('y', H - 10).attr('text-anchor', 'middle').text(o.format(v));
    }
    if (o.rule) {
      svg.append('line').attr('x1', x(o.rule.v)).attr('x2', x(o.rule.v)).attr('y1', 4).attr('y2', H - 26).style('stroke', 'var(--good)').attr('stroke-width', 1.5).attr('stroke-dasharray', '5 4');
    }
    o.groups.forEach((g, i) => {
      const top = 8 + i * step;
      svg.append('text').attr('x', L - 8).attr('y', top + g.bars.length * each / 2 + 4).attr('text-anchor', 'end').text(g.name);
      g.bars.forEach((b, j) => {
        svg.append('rect').attr('x', L).attr('y', top + j * each).attr('width', Math.max(1, x(b.v) - L)).attr('height', each - 2).style('fill', b.color).attr('class', 'point').attr('tabindex', -1).attr('role', 'img').attr('aria-label', b.label)
          .on('pointerenter focus', e => A.tip(e.currentTarget, b.label)).on('pointerleave blur', () => A.tip());
        svg.append('text').attr('class', 'v').attr('x', x(b.v) + 5).attr('y', top + j * each + 10).text(o.format(b.v));
      });
    });
    A.roving(svg.node(), '.point');
    const legend = (o.legend || []).map(k => { const s = A.el('span', { class: 'swatch', 'aria-hidden': 'true' }); s.style.cssText = `display:inline-block;width:.8em;height:.8em;background:${k.color}`; return A.el('span', { class: 'key' }, s, ' ' + k.label); });
    A.fill(figure, A.el('div', { class: 'legend' }, ...legend), svg.node(), A.el('figcaption', null, o.title));
  };

  const bubble = () => document.getElementById('tip') || document.body.appendChild(A.el('div', { id: 'tip', role: 'presentation', hidden: '' }));
  A.tip = (at, text) => {
    const t = bubble();
    t.hidden = !at;
    if (!at) return;
    t.textContent = text;
    const r = at.getBoundingClientRect(), w = Math.min(340, innerWidth - 16);
    t.style.maxWidth = w + 'px';
    t.style.left = Math.max(8, Math.min(r.left + 14 + scrollX, scrollX + innerWidth - t.offsetWidth - 8)) + 'px';
    t.style.top = r.bottom + 6 + scrollY + 'px';
  };
})();
