"""Colours, type and print rules of the page and the picture, and the few lines that filter a table.

The colours are those of Okabe and Ito, which colour-blind people tell apart; each also has a pattern or a
label. Nothing is loaded from anywhere.
"""

from __future__ import annotations

from typing import Final

COLOURS: Final = """
:root{--paper:#fff;--ink:#1a1f24;--soft:#55606b;--line:#c5ccd3;--panel:#f4f6f8;--used:#0072b2;--grown:#56b4e9;
--spare:#dcecf7;--shut:#a9a9a9;--error:#b3261e;--warning:#8a5a00;--info:#00639b;--link:#005a8c;
color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--paper:#14181c;--ink:#e8ecf0;--soft:#a4b0bb;--line:#3d4852;
--panel:#1d2329;--used:#2f9be0;--grown:#7cc4ee;--spare:#20384a;--shut:#6f6f6f;--error:#ff9a90;--warning:#f0b84a;
--info:#7cc4ee;--link:#7cc4ee}}
"""
PAPER: Final = """
@media print{:root{--paper:#fff;--ink:#000;--soft:#333;--line:#999;--panel:#fff;--used:#0072b2;
--grown:#56b4e9;--spare:#e8f2fa;--shut:#999;--error:#b3261e;--warning:#6b4500;--info:#00507d;--link:#000;color-scheme:light}}
"""
PICTURE: Final = """
svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;font-size:12px;
fill:var(--ink)}
svg .address{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg .soft{fill:var(--soft)}svg .strong{font-weight:600}svg .big{font-size:15px;font-weight:600}
svg .middle{text-anchor:middle}svg .right{text-anchor:end}
svg .paper{fill:var(--paper)}svg .panel{fill:var(--panel);stroke:var(--line)}
svg .chip{fill:var(--paper);stroke:var(--used)}
svg .block{fill:var(--paper);stroke:var(--ink);stroke-width:.8}
svg .used{fill:var(--used)}svg .grown{fill:url(#grown)}svg .spare{fill:var(--spare)}
svg .free{fill:none;stroke:var(--line);stroke-dasharray:2 3}svg .shut{fill:url(#shut);stroke:var(--shut)}
svg .shared{stroke:var(--warning);stroke-width:2}
svg .way{stroke:var(--soft);stroke-width:1.6;fill:none}svg .narrow{stroke-dasharray:6 4}
svg .jumbo{stroke-width:3.2}
svg .tint{fill:var(--grown)}svg .hatch{stroke:var(--used);stroke-width:2}svg .cross{stroke:var(--shut)}
"""
PAGE: Final = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main,header,footer{max-width:84rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}h1{font-size:1.7rem;line-height:1.2;margin:0}
h2{font-size:1.3rem;margin:2.6rem 0 .4rem;padding-top:.6rem;border-top:2px solid var(--line)}
h3{font-size:1.05rem;margin:1.6rem 0 .3rem}p{max-width:48rem;margin:.4rem 0 .8rem}
a{color:var(--link)}.soft{color:var(--soft)}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0;margin:.8rem 0 0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.2rem,1fr));gap:.8rem;
margin:1.2rem 0;padding:0}
.facts div{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .8rem;background:var(--panel)}
.facts dt{font-size:.85rem;color:var(--soft)}
.facts dd{margin:0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
.facts small{display:block;font-size:.8rem;font-weight:400;color:var(--soft)}
.box{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem;margin:.6rem 0 1rem}
.box:focus-visible,a:focus-visible,summary:focus-visible,input:focus-visible{
outline:3px solid var(--grown);outline-offset:2px}
.box svg{display:block;width:100%;min-width:46rem;height:auto}
.hold{position:absolute;width:0;height:0}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;padding:.5rem .7rem;color:var(--soft);font-size:.85rem}
th,td{text-align:left;padding:.3rem .6rem;border-top:1px solid var(--line);vertical-align:top}
thead th{background:var(--panel);border-top:0;white-space:nowrap}
tbody th{font-weight:600}
td.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.address,th.address{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.9em;
white-space:nowrap}
td.tight,th.tight{white-space:nowrap}td.least{background:var(--spare);font-weight:600}
table.matrix thead td{background:var(--panel);border-top:0}
table.matrix thead th,table.matrix td{text-align:center;font-variant-numeric:tabular-nums}
table.matrix td small{display:block;color:var(--soft);white-space:nowrap}
.error,.warning,.info{font-weight:600;white-space:nowrap}.error{color:var(--error)}
.warning{color:var(--warning)}.info{color:var(--info)}
ul.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;list-style:none;padding:0;
margin:.4rem 0;font-size:.88rem}
ul.legend svg{width:1.6rem;height:.9rem;vertical-align:-.1rem;margin-right:.4rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:.9rem}
.card{border:1px solid var(--line);border-radius:.4rem;padding:.1rem 1rem .8rem;background:var(--panel);
break-inside:avoid}
.card h3{margin-top:.7rem}.card ul{margin:.2rem 0;padding-left:1.2rem}
code{font-size:.92em}.card code{font-size:.78rem;overflow-wrap:anywhere}
label.filter{display:block;margin:.5rem 0;font-size:.9rem}
label.filter[hidden]{display:none}
label.filter input{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--soft);
border-radius:.3rem;padding:.3rem .5rem;width:min(24rem,100%);display:block}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--link)}
footer{margin:3rem auto 2rem;font-size:.85rem;color:var(--soft)}
@media (max-width:600px){body{font-size:15px}main,header,footer{padding:0 .8rem}header{padding-top:1rem}
.facts{grid-template-columns:1fr 1fr}.cards{grid-template-columns:1fr}h1{font-size:1.4rem}
.box svg{min-width:56rem}
table.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.stack tr{display:block;border-top:1px solid var(--line);padding:.3rem 0}
table.stack th,table.stack td{display:block;border:0;padding:.1rem .7rem}}
@media print{@page{size:A4 landscape;margin:12mm}
body{font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main,header,footer{max-width:none;padding:0}nav,label.filter,.screen{display:none}
.box{overflow:visible;border:0}.facts{grid-template-columns:repeat(8,1fr)}
.box svg{min-width:0;max-height:165mm}table{font-size:8pt}
h2{break-after:avoid}h3{break-after:avoid}tr,svg,.facts div{break-inside:avoid}
thead{display:table-header-group}section.leaf{break-before:page}
details::details-content{content-visibility:visible;block-size:auto}summary{list-style:none;color:inherit}
details.long{display:none}a{text-decoration:none}}
"""
SCRIPT: Final = """
for(const box of document.querySelectorAll("label.filter")){
const rows=[...document.getElementById(box.dataset.table).tBodies[0].rows],told=box.querySelector("output");
const show=()=>{const words=box.querySelector("input").value.toLowerCase().split(/\\s+/).filter(Boolean);
let kept=0;for(const row of rows){const text=row.textContent.toLowerCase();
row.hidden=!words.every(word=>text.includes(word));kept+=!row.hidden}
told.value=words.length?kept+" of "+rows.length+" rows":""};
box.hidden=false;box.querySelector("input").addEventListener("input",show)}
addEventListener("beforeprint",()=>{
for(const each of document.querySelectorAll("details:not(.long)"))each.open=true});
"""
