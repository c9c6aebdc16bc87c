"""The look of report.html. No fonts, scripts or pictures from elsewhere."""

STYLE = """
:root{--ink:#181e2a;--soft:#5d6675;--line:#e3e6eb;--paper:#fff;--ground:#f5f6f8;--heat:#d9451f}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:36px;padding-bottom:20px}
.kind{margin:0;color:var(--heat);font-weight:600;font-size:13px;letter-spacing:.06em;
text-transform:uppercase}
h1{margin:4px 0 2px;font-size:30px;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:0 0 14px;font-size:19px;overflow-wrap:anywhere}
.sub{margin:0;color:var(--soft);overflow-wrap:anywhere}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:22px 24px;
margin:0 0 20px}
figure{margin:0}
img{display:block;max-width:100%;height:auto}
.top{display:grid;grid-template-columns:minmax(0,11fr) minmax(0,9fr);gap:28px;align-items:start}
.top img{border-radius:8px;max-height:560px;width:auto;margin:0 auto}
.scroll{overflow-x:auto}
.parts{border-collapse:collapse;min-width:55%;font-variant-numeric:tabular-nums}
.parts th{font-weight:500;text-align:left;padding:7px 12px 7px 0;white-space:nowrap}
.parts tr:first-child th{text-align:right;color:var(--soft);font-size:14px;padding:0 10px 6px;
white-space:normal;overflow-wrap:anywhere}
.parts tr+tr{border-top:1px solid var(--line)}
.parts td{text-align:right;padding:7px 10px;
background:color-mix(in srgb,#f58a33 calc(var(--share,0)*70%),transparent)}
.parts td.none{color:#b4bac4}
.hint,.empty{color:var(--soft);font-size:14px;margin:10px 0 0}
.badge{font-size:13px;font-weight:600;border-radius:999px;padding:3px 11px;margin-left:8px;
vertical-align:2px;white-space:nowrap}
.yes{background:#fde5d8;color:#a8310f}
.no{background:#e9ecf0;color:#4c5563}
blockquote{margin:0 0 18px;padding:2px 0 2px 16px;border-left:3px solid #f3b48f;font-size:17px;
overflow-wrap:anywhere}
.token{font:600 12px ui-monospace,SFMono-Regular,Menlo,monospace;color:var(--soft);
background:var(--ground);border:1px solid var(--line);border-radius:5px;padding:1px 5px}
.views{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:14px}
.views img{margin:0 auto}
figcaption{color:var(--soft);font-size:13px;text-align:center;margin-top:4px}
dl{display:flex;flex-wrap:wrap;gap:10px 34px;margin:18px 0 0;border-top:1px solid var(--line);
padding-top:16px}
dt{color:var(--soft);font-size:13px}
dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
.warnings{background:#fff8e6;border-color:#f0dca6}
.warnings h2{margin-bottom:6px;font-size:16px}
.warnings ul{margin:0;padding-left:20px}
.seen img{border-radius:8px;max-height:640px;width:auto;margin:0 auto}
.made{margin-bottom:48px}
.made table{border-collapse:collapse;font-size:14px;width:100%}
.made th{color:var(--soft);font-weight:500;text-align:left;vertical-align:top;
padding:3px 20px 3px 0;white-space:nowrap}
.made td{overflow-wrap:anywhere;padding:3px 0}
@media(max-width:760px){.top{grid-template-columns:1fr}.views{grid-template-columns:1fr 1fr}}
@media print{body{background:#fff}section{break-inside:avoid}}
""".strip()
