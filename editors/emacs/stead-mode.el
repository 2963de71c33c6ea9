;;; stead-mode.el --- Major mode for the Stead language  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages, tools
;; URL: https://github.com/stead-lang/stead
;; SPDX-License-Identifier: MIT OR Apache-2.0

;;; Commentary:

;; Colours, indentation and the language server `stead lsp' by Eglot, which comes
;; with Emacs 29 and is in GNU ELPA for older ones.
;;
;;   (require 'stead-mode)
;;   (add-hook 'stead-mode-hook #'eglot-ensure)

;;; Code:

(require 'rx)

(defgroup stead nil
  "The Stead language."
  :group 'languages
  :prefix "stead-")

(defcustom stead-program "stead"
  "The program `stead': a name in variable `exec-path', or an absolute name."
  :type 'string
  :group 'stead)

(defcustom stead-indent-offset 2
  "Columns that a block is moved in."
  :type 'integer
  :safe #'integerp
  :group 'stead)

(defvar stead-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?\\ "\\" table)
    (modify-syntax-entry ?_ "_" table)
    (modify-syntax-entry ?/ "." table)
    (modify-syntax-entry ?' "." table)
    (dolist (sign '(?+ ?- ?* ?% ?= ?< ?> ?& ?| ?! ?? ?~ ?: ?. ?, ?$))
      (modify-syntax-entry sign "." table))
    table)
  "Syntax table of `stead-mode'.")

(defconst stead--keywords
  '("as" "defaults" "else" "enum" "extend" "fact" "fn" "for" "if" "in" "let" "match"
    "node" "not" "state" "type" "use" "where")
  "The words of the language.")

(defconst stead--types
  '("Bool" "Int" "Float" "String" "Path" "Mode" "Duration" "Size" "Port" "Ip" "Cidr"
    "Hostname" "Url" "Regex" "Version" "Source" "Command" "Any" "List" "Map" "Optional"
    "Secret" "Ref")
  "The types of the language.")

(defvar stead-font-lock-keywords
  `(("##.*$" 0 font-lock-doc-face t)
    (,(rx "#" (* blank) (group "stead:" (* blank) "allow(" (* (not (any ")" "\n"))) ")"))
     1 font-lock-preprocessor-face t)
    (,(rx bol (* blank) (group "inventory") (* blank) "{") 1 font-lock-keyword-face)
    ;; Before attributes: `port: Port = 80'.
    (,(regexp-opt stead--types 'symbols) . font-lock-type-face)
    ;; An attribute may have the name of a keyword.
    (,(rx symbol-start (group (any "a-zA-Z_") (* (any "a-zA-Z0-9_"))) (* blank) "="
          (or (not (any "=>")) eol))
     1 font-lock-variable-name-face)
    (,(rx symbol-start (group (or "state" "fn")) (+ blank)
          (group (any "a-zA-Z_") (* (any "a-zA-Z0-9_"))))
     (1 font-lock-keyword-face) (2 font-lock-function-name-face))
    (,(rx symbol-start (group (or "type" "enum")) (+ blank)
          (group (any "a-zA-Z_") (* (any "a-zA-Z0-9_"))))
     (1 font-lock-keyword-face) (2 font-lock-type-face))
    (,(regexp-opt stead--keywords 'symbols) . font-lock-keyword-face)
    (,(rx symbol-start (or "none" "true" "false") symbol-end) . font-lock-constant-face)
    (,(rx symbol-start (group (any "a-zA-Z_") (* (any "a-zA-Z0-9_"))) (* blank) (? "[") "\"")
     1 font-lock-type-face)
    (,(rx symbol-start (group (any "a-zA-Z_") (* (any "a-zA-Z0-9_"))) (* blank) "(")
     1 font-lock-function-name-face)
    (,(rx symbol-start digit (* (any "a-zA-Z0-9_")) symbol-end) . font-lock-constant-face))
  "What `stead-mode' colours.")

(defun stead--syntax-propertize (start end)
  "Mark block strings and raw strings between START and END."
  (goto-char start)
  (funcall
   (syntax-propertize-rules
    ;; The outer quotes of a block string delimit it.
    ((rx "\"\"\"")
     (0 (ignore (stead--mark-block (match-beginning 0)))))
    ;; In a raw string a backslash is a character.
    ((rx symbol-start "r" (group "\"") (group (* (not (any "\"" "\n")))) (group "\""))
     (2 (ignore (stead--mark-raw (match-beginning 2) (match-end 2))))))
   start end))

(defun stead--mark-block (place)
  "Mark the three quotes at PLACE as one delimiter, unless they are in a comment."
  (let ((state (save-excursion (syntax-ppss place))))
    (cond
     ((nth 4 state))
     ((eq (nth 3 state) t)
      (put-text-property (+ place 2) (+ place 3) 'syntax-table (string-to-syntax "|")))
     ((not (nth 3 state))
      (put-text-property place (1+ place) 'syntax-table (string-to-syntax "|"))))))

(defun stead--mark-raw (start end)
  "Let the backslashes between START and END be characters like others."
  (save-excursion
    (goto-char start)
    (while (search-forward "\\" end t)
      (put-text-property (1- (point)) (point) 'syntax-table (string-to-syntax ".")))))

(defun stead-indent-line ()
  "Indent the line by the brackets around it."
  (interactive)
  (let* ((state (save-excursion (syntax-ppss (line-beginning-position))))
         (column
          (save-excursion
            (back-to-indentation)
            (cond
             ;; The lines of a string are text.
             ((nth 3 state) nil)
             ((null (nth 1 state)) 0)
             (t
              (let ((is-end (looking-at-p "[]})]")))
                (goto-char (nth 1 state))
                (back-to-indentation)
                (+ (current-column) (if is-end 0 stead-indent-offset))))))))
    (when column
      (if (<= (current-column) (current-indentation))
          (indent-line-to column)
        (save-excursion (indent-line-to column))))))

(defvar stead-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-p") #'stead-plan)
    (define-key map (kbd "C-c C-e") #'stead-explain)
    map)
  "Keys of `stead-mode'.")

(defun stead-explain (code)
  "Show the page of CODE, such as `unknown-attribute'."
  (interactive "sCode: ")
  (stead--run (list "explain" code)))

(defun stead-plan (node)
  "Show what would change on this machine, or with NODE what is wanted on that one.
Nobody asks another machine: its facts lie in the project."
  (interactive "sNode (empty for this machine): ")
  (let ((root (or (locate-dominating-file default-directory "stead.toml") default-directory)))
    (stead--run (append (list "plan" (expand-file-name root))
                        (unless (string= node "") (list "--from-facts" "--on" node))))))

(defun stead--run (arguments)
  "Run `stead' with ARGUMENTS and show what it writes."
  (let ((buffer (get-buffer-create "*stead*")))
    (with-current-buffer buffer
      (let ((inhibit-read-only t))
        (erase-buffer)
        (apply #'call-process stead-program nil t nil arguments))
      (goto-char (point-min))
      (special-mode))
    (display-buffer buffer)))

;;;###autoload
(define-derived-mode stead-mode prog-mode "Stead"
  "Major mode for files of the Stead language."
  (setq-local comment-start "# ")
  (setq-local comment-start-skip "#+[ \t]*")
  (setq-local indent-tabs-mode nil)
  (setq-local indent-line-function #'stead-indent-line)
  (setq-local electric-indent-chars (append "}])" electric-indent-chars))
  (setq-local syntax-propertize-function #'stead--syntax-propertize)
  (setq-local font-lock-defaults '(stead-font-lock-keywords))
  (setq-local imenu-generic-expression
              '(("State" "^[ \t]*state[ \t]+\\([a-zA-Z_][a-zA-Z0-9_]*\\)" 1)
                ("Function" "^[ \t]*fn[ \t]+\\([a-zA-Z_][a-zA-Z0-9_]*\\)" 1)
                ("Type" "^[ \t]*\\(?:type\\|enum\\)[ \t]+\\([a-zA-Z_][a-zA-Z0-9_]*\\)" 1)
                ("Node" "^[ \t]*node[ \t]+\\(.*?\\)[ \t]*{" 1))))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.stead\\'" . stead-mode))

(defvar eglot-server-programs)

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs
               `(stead-mode . ,(lambda (&rest _) (list stead-program "lsp")))))

(provide 'stead-mode)
;;; stead-mode.el ends here
