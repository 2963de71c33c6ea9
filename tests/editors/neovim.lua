-- Drives the real language server from Neovim, as a user would: a project is opened, a mistake is shown, a name is completed, a
-- name is given another one in every file, a file is formatted. `tests/editors/main.rs` starts it and reads what it prints.
--
-- STEAD_BIN is the program, STEAD_EDITORS the directory `editors`, STEAD_PROJECT the project.

local out = {}
local function tell(key, value)
  out[#out + 1] = key .. ' ' .. value
end

local function finish(code)
  io.stdout:write(table.concat(out, '\n') .. '\n')
  io.stdout:flush()
  if code == 0 then
    vim.cmd('qall!')
  else
    vim.cmd('cquit ' .. code)
  end
end

local function fail(message)
  tell('failed', message)
  finish(1)
end

-- Waits until a condition holds; a server on a busy machine may take its time.
local function wait(what, condition)
  if not vim.wait(30000, condition, 20) then
    fail('waited in vain for ' .. what)
  end
end

local function lines(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

-- Moves the cursor behind the first place of a text; the column is one of bytes.
local function go_to(text, offset)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local start = line:find(text, 1, true)
    if start then
      vim.api.nvim_win_set_cursor(0, { number, start - 1 + (offset or 0) })
      return
    end
  end
  fail('there is no `' .. text .. '`')
end

local function main()
  vim.opt.runtimepath:append(os.getenv('STEAD_EDITORS') .. '/neovim')
  vim.opt.swapfile = false
  vim.opt.hidden = true
  vim.cmd('filetype plugin on')
  vim.cmd('syntax on')
  local attached = {}
  require('stead').setup({
    path = os.getenv('STEAD_BIN'),
    on_attach = function(client, buffer)
      attached[buffer] = client
    end,
  })
  local project = os.getenv('STEAD_PROJECT')
  vim.cmd('edit ' .. vim.fn.fnameescape(project .. '/site.stead'))
  local buffer = vim.api.nvim_get_current_buf()
  tell('filetype', vim.bo[buffer].filetype)
  tell('indent', tostring(vim.bo[buffer].shiftwidth))
  wait('the server', function()
    return attached[buffer] ~= nil
  end)
  local client = attached[buffer]
  tell('root', vim.fn.fnamemodify(client.config.root_dir, ':t'))

  -- A mistake, in a buffer that is not saved.
  wait('no mistakes at first', function()
    return #vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR }) == 0
  end)
  go_to('mode = 0644')
  vim.cmd('normal! ciwmood')
  wait('the mistake', function()
    return #vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR }) > 0
  end)
  local mistake = vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR })[1]
  tell('diagnostic', string.format('%s %d:%d', tostring(mistake.code or mistake.user_data.lsp.code), mistake.lnum + 1, mistake.col + 1))
  vim.cmd('undo')
  wait('no mistakes again', function()
    return #vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR }) == 0
  end)

  -- Completion behind the first letters of an attribute.
  vim.cmd('normal! Gofile "/etc/other" { own }')
  go_to('own }', 3)
  local parameters = vim.lsp.util.make_position_params(0, client.offset_encoding)
  local answers = vim.lsp.buf_request_sync(buffer, 'textDocument/completion', parameters, 30000) or {}
  local labels = {}
  for _, answer in pairs(answers) do
    if answer.error then
      fail('completion: ' .. answer.error.message)
    end
    for _, item in ipairs((answer.result or {}).items or answer.result or {}) do
      labels[#labels + 1] = item.label
    end
  end
  table.sort(labels)
  tell('completion', vim.tbl_contains(labels, 'owner') and 'owner' or 'none of ' .. table.concat(labels, ','))
  vim.cmd('undo')

  -- Another name for a state that two files know.
  go_to('web(')
  vim.lsp.buf.rename('site')
  wait('the new name', function()
    return lines(buffer):find('site(', 1, true) ~= nil
  end)
  local other = vim.fn.bufnr(project .. '/web/web.stead')
  wait('the new name in the other file', function()
    other = vim.fn.bufnr(project .. '/web/web.stead')
    return other > 0 and vim.api.nvim_buf_is_loaded(other) and lines(other):find('state site(', 1, true) ~= nil
  end)
  tell('rename', 'both files')
  vim.cmd('wall')

  -- Formatting.
  go_to('mode = 0644')
  vim.cmd('normal! 0i      ')
  if vim.lsp.buf.format then
    vim.lsp.buf.format({ timeout_ms = 30000 })
  else
    vim.lsp.buf.formatting_sync(nil, 30000)
  end
  local line = vim.api.nvim_get_current_line()
  tell('format', line:match('^  mode +%= 0644$') and 'two blanks' or '`' .. line .. '`')

  -- What the keys of the plugin lead to.
  go_to('site(')
  local found = vim.lsp.buf_request_sync(
    buffer,
    'textDocument/definition',
    vim.lsp.util.make_position_params(0, client.offset_encoding),
    30000
  ) or {}
  for _, answer in pairs(found) do
    local result = answer.result or {}
    local first = result[1] or result
    tell('definition', vim.fn.fnamemodify(vim.uri_to_fname(first.uri or first.targetUri), ':t'))
  end

  -- A document that the server makes.
  require('stead').show('graph')
  wait('the graph', function()
    return vim.bo.filetype == 'markdown' and lines(0):find('/etc/motd', 1, true) ~= nil
  end)
  tell('graph', vim.api.nvim_buf_get_lines(0, 0, 1, false)[1]:match('^### Graph of') and 'shown' or 'odd')

  vim.lsp.stop_client(client.id)
  wait('the end of the server', function()
    return client.is_stopped()
  end)
  tell('stopped', 'yes')
  finish(0)
end

local good, problem = xpcall(main, debug.traceback)
if not good then
  fail(tostring(problem))
end
