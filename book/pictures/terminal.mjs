// terminal.mjs: turns what `tmux capture-pane -e` prints into a page. With --size COLUMNS ROWS: how large its picture is, in pixels.

const CELL = { width: 8, height: 18 }
const PADDING = 12

if (process.argv[2] === '--size') {
  const [columns, rows] = process.argv.slice(3).map(Number)
  console.log(columns * CELL.width + 2 * PADDING, rows * CELL.height + 2 * PADDING)
  process.exit(0)
}

const BASIC = ['#24292e', '#cf222e', '#116329', '#9a6700', '#0969da', '#8250df', '#1b7c83', '#6e7781']

/** The colour that the numbers behind 38 or 48 name, and how many of them there are. */
function colour(numbers) {
  if (numbers[0] === 2) return [`rgb(${numbers.slice(1, 4).join(' ')})`, 4]
  const at = numbers[1]
  if (at < 16) return [BASIC[at % 8], 2]
  if (at >= 232) return [`rgb(${Array(3).fill(8 + (at - 232) * 10).join(' ')})`, 2]
  const level = n => (n === 0 ? 0 : 55 + n * 40)
  return [`rgb(${level(Math.floor((at - 16) / 36))} ${level(Math.floor((at - 16) / 6) % 6)} ${level((at - 16) % 6)})`, 2]
}

function change(style, codes) {
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i]
    if (code === 0) for (const key of Object.keys(style)) delete style[key]
    else if (code === 1) style.bold = true
    else if (code === 3) style.italic = true
    else if (code === 4) style.underline = true
    else if (code === 7) style.reverse = true
    else if (code === 22) delete style.bold
    else if (code === 23) delete style.italic
    else if (code === 24) delete style.underline
    else if (code === 27) delete style.reverse
    else if (code === 39) delete style.fg
    else if (code === 49) delete style.bg
    else if (code >= 30 && code <= 37) style.fg = BASIC[code - 30]
    else if (code >= 40 && code <= 47) style.bg = BASIC[code - 40]
    else if (code >= 90 && code <= 97) style.fg = BASIC[code - 90]
    // The colour of the underline is that of the wave below.
    else if (code === 58) i += codes[i + 1] === 2 ? 4 : 2
    else if (code === 38 || code === 48) {
      const [named, count] = colour(codes.slice(i + 1))
      style[code === 38 ? 'fg' : 'bg'] = named
      i += count
    }
  }
}

function css(style) {
  const [fg, bg] = style.reverse ? [style.bg ?? '#ffffff', style.fg ?? '#24292e'] : [style.fg, style.bg]
  return [
    fg && `color:${fg}`,
    bg && `background:${bg}`,
    style.bold && 'font-weight:bold',
    style.italic && 'font-style:italic',
    style.underline && 'text-decoration:underline wavy #cf222e 1px',
  ].filter(Boolean).join(';')
}

const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;')

let text = ''
for await (const chunk of process.stdin) text += chunk
const style = {}
const lines = text.replace(/\n$/, '').split('\n').map(line =>
  line.split(/(\x1b\[[0-9;:]*m)/).map(part => {
    const codes = /^\x1b\[([0-9;:]*)m$/.exec(part)?.[1]
    if (codes !== undefined) {
      // `4:3` is a wavy underline.
      const numbers = codes.split(';').filter(code => !code.startsWith('58:'))
      if (codes) change(style, numbers.map(code => (code.startsWith('4:') ? 4 : Number(code.split(':')[0]))))
      else change(style, [0])
      return ''
    }
    const clean = part.replace(/\x1b[^m]*m|[\x00-\x08\x0b-\x1f]/g, '')
    return clean ? `<span style="${css(style)}">${escape(clean)}</span>` : ''
  }).join(''))
console.log(`<!doctype html><meta charset="utf-8"><style>
html { background: #fff }
body { margin: ${PADDING}px; font: 13.3px/${CELL.height}px "DejaVu Sans Mono", monospace; white-space: pre; color: #24292e }
span { display: inline-block; height: ${CELL.height}px; vertical-align: top }
</style>${lines.join('\n')}`)
