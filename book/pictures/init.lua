-- Neovim for the pictures: the plugin as its page says, and colours that are easy on the eye.
vim.opt.runtimepath:append(os.getenv('STEAD_PICTURES_EDITORS') .. '/neovim')
vim.opt.termguicolors = true
vim.opt.swapfile = false
vim.opt.number = true
vim.opt.signcolumn = 'yes'
vim.opt.laststatus = 0
vim.opt.ruler = false
vim.opt.showcmd = false
vim.opt.shortmess:append('csIF')
vim.opt.completeopt = 'menuone,noinsert'
vim.opt.background = 'light'
vim.cmd('filetype plugin on')
vim.cmd('syntax on')
local colours = {
  Normal = { fg = '#24292e', bg = '#ffffff' },
  LineNr = { fg = '#b0b7bf', bg = '#ffffff' },
  SignColumn = { bg = '#ffffff' },
  EndOfBuffer = { fg = '#ffffff', bg = '#ffffff' },
  Comment = { fg = '#6a737d' },
  SpecialComment = { fg = '#57606a', bold = true },
  Keyword = { fg = '#cf222e' },
  Conditional = { fg = '#cf222e' },
  Repeat = { fg = '#cf222e' },
  Operator = { fg = '#cf222e' },
  Type = { fg = '#953800' },
  Structure = { fg = '#116329', bold = true },
  Function = { fg = '#8250df' },
  Identifier = { fg = '#0550ae' },
  PreProc = { fg = '#8250df' },
  String = { fg = '#0a3069' },
  SpecialChar = { fg = '#0550ae' },
  Delimiter = { fg = '#0550ae' },
  Number = { fg = '#0550ae' },
  Constant = { fg = '#0550ae' },
  Boolean = { fg = '#0550ae' },
  Pmenu = { fg = '#24292e', bg = '#eaeef2' },
  PmenuSel = { fg = '#ffffff', bg = '#0969da' },
  NormalFloat = { fg = '#24292e', bg = '#f6f8fa' },
  FloatBorder = { fg = '#8c959f', bg = '#f6f8fa' },
  Search = {},
  IncSearch = {},
  ModeMsg = { fg = '#ffffff' },
  DiagnosticError = { fg = '#cf222e' },
  DiagnosticWarn = { fg = '#9a6700' },
  DiagnosticHint = { fg = '#57606a' },
  DiagnosticUnderlineError = { undercurl = true, sp = '#cf222e' },
}
for name, colour in pairs(colours) do
  vim.api.nvim_set_hl(0, name, colour)
end
vim.diagnostic.config({
  update_in_insert = true,
  severity_sort = true,
  virtual_text = {
    prefix = '■',
    format = function(one)
      return ('%s [%s]'):format(one.message:match('^[^\n]*'), one.code or (one.user_data and one.user_data.lsp.code) or '')
    end,
  },
})
vim.lsp.handlers['textDocument/hover'] = vim.lsp.with(vim.lsp.handlers.hover, { border = 'rounded', max_width = 84 })
require('stead').setup({
  path = os.getenv('STEAD_PICTURES_BIN'),
  on_attach = function()
    -- What the script waits for.
    vim.defer_fn(function()
      vim.cmd('echo "served"')
    end, 1500)
  end,
})
